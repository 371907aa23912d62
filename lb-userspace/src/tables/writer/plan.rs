//! From the books and an image to the steps that bring the tables there, in an order in which no packet meets a
//! half-written state. Nothing is written here: what does not fit is known before the first step is taken.
//!
//! Services are brought up to date first (see [`super::round`]), then the directory leads packets to what is new, then
//! what nothing leads to any more is taken away. If there is no room for that, what goes makes room for what comes.

use lb_common::wire::address::Address;
use lb_common::wire::backend::Hop;
use lb_common::wire::directory::{Idle, Key, Slot};
use lb_common::wire::service::{Local, Table};
use lb_common::wire::vip::Vip;

use super::books::{Books, ServiceRecord, VipPlace, VipRecord};
use super::error::TableError;
use super::step::Step;
use super::wanted::Wanted;
use crate::tables::clock::Clock;
use crate::tables::directory;
use crate::tables::memory::TableMemory;

/// Steps, and the books as they are when all of them are taken.
pub(super) struct Plan<'a> {
    pub(super) books: Books,
    pub(super) steps: Vec<Step>,
    pub(super) memory: &'a TableMemory,
    pub(super) clock: Clock,
}

/// Works out how to bring the tables to what is wanted. `memory` is as the books say.
///
/// # Errors
/// [`TableError`], but never [`TableError::Grace`].
pub(super) fn plan(
    books: &Books,
    memory: &TableMemory,
    clock: Clock,
    wanted: &Wanted<'_>,
) -> Result<(Books, Vec<Step>), TableError> {
    check_room(memory, wanted)?;
    let begin = || Plan { books: books.clone(), steps: Vec::new(), memory, clock };
    let plan = match begin().arrivals_first(wanted) {
        Ok(plan) => plan,
        Err(_) => begin().departures_first(wanted)?,
    };
    Ok((plan.books, plan.steps))
}

/// Whether the image would fit into empty tables.
fn check_room(memory: &TableMemory, wanted: &Wanted<'_>) -> Result<(), TableError> {
    let (services, vips) = (wanted.services.len(), wanted.vips.len());
    let room = memory.services.len();
    // A generation of the directory has two slots for each of its entries.
    if services.max(vips) > room || services + vips > memory.directory.len() / 4 {
        return Err(TableError::Services { wanted: services + vips, room });
    }
    let room = memory.backends.len();
    let wanted = wanted.services.iter().map(|(_, service)| service.backends.len()).sum();
    if wanted > room {
        return Err(TableError::Backends { wanted, room });
    }
    Ok(())
}

impl Plan<'_> {
    /// Nobody waits for what stays or comes, but old and new must fit side by side.
    fn arrivals_first(mut self, wanted: &Wanted<'_>) -> Result<Self, TableError> {
        self.know_controllers(wanted)?;
        self.locate_vips(wanted);
        self.lose_leases(wanted);
        let came = self.arrive(wanted)?;
        self.bring_up_to_date(wanted)?;
        if self.idles(wanted) || came || self.departs(wanted) {
            self.list(wanted)?;
        }
        self.win_leases(wanted);
        self.depart(wanted);
        Ok(self)
    }

    /// What goes makes room for what comes.
    fn departures_first(mut self, wanted: &Wanted<'_>) -> Result<Self, TableError> {
        self.know_controllers(wanted)?;
        self.locate_vips(wanted);
        self.lose_leases(wanted);
        if self.departs(wanted) {
            self.idles(wanted);
            self.list(wanted)?;
            self.depart(wanted);
        }
        let came = self.arrive(wanted)?;
        self.bring_up_to_date(wanted)?;
        if self.idles(wanted) || came {
            self.list(wanted)?;
        }
        self.win_leases(wanted);
        Ok(self)
    }

    /// Before packets are judged by who sent them.
    fn know_controllers(&mut self, wanted: &Wanted<'_>) -> Result<(), TableError> {
        self.steps.extend(self.books.controllers.become_these(&wanted.controllers)?);
        Ok(())
    }

    /// Says where each VIP is. A host that loses one knows where its packets go from then on.
    fn locate_vips(&mut self, wanted: &Wanted<'_>) {
        for (address, record) in &mut self.books.vips {
            let Some(image) = wanted.vips.get(address) else { continue };
            record.place = Some(VipPlace::from(*image));
            self.steps.extend(record.locate(&self.books.ports));
        }
    }

    /// A VIP that is given up is given up at once.
    fn lose_leases(&mut self, wanted: &Wanted<'_>) {
        self.lease(wanted, |lease| lease == Vip::NOT_HELD);
        // The election begins with nothing, or with what is left of a lease that an earlier daemon's wrote.
        for (address, record) in &mut self.books.vips {
            if wanted.lease(address) == Some(None)
                && let Some(lease) = record.lease.take()
                && lease == Vip::HELD
            {
                self.steps.push(Step::Lease { vip: record.index, until: Vip::NOT_HELD });
            }
        }
    }

    /// One that is won is served once everything is there.
    fn win_leases(&mut self, wanted: &Wanted<'_>) {
        self.lease(wanted, |lease| lease != Vip::NOT_HELD);
    }

    fn lease(&mut self, wanted: &Wanted<'_>, which: impl Fn(u64) -> bool) {
        for (address, record) in &mut self.books.vips {
            let lease = wanted.lease(address).flatten();
            if let Some(until) = lease.filter(|lease| which(*lease) && record.lease != Some(*lease)) {
                record.lease = lease;
                self.steps.push(Step::Lease { vip: record.index, until });
            }
        }
    }

    /// Gives records to what is new; whether anything is.
    fn arrive(&mut self, wanted: &Wanted<'_>) -> Result<bool, TableError> {
        let lack = |room| TableError::Services { wanted: wanted.services.len() + wanted.vips.len(), room };
        let mut came = false;
        for address in wanted.vips.keys().filter(|address| !self.books.vips.contains_key(address)).collect::<Vec<_>>() {
            let index = self.books.vip_indexes.take().ok_or_else(|| lack(self.memory.vips.len()))?;
            self.books.vips.insert(*address, VipRecord::new(index));
            came = true;
        }
        self.locate_vips(wanted);
        for (key, _) in &wanted.services {
            if self.books.keys.contains_key(key) {
                continue;
            }
            let index = self.books.service_indexes.take().ok_or_else(|| lack(self.memory.services.len()))?;
            self.books.keys.insert(*key, index);
            self.books.services.insert(index, ServiceRecord::new(*key, Idle::default()));
            // Of a predecessor that a crash left half-way gone.
            self.steps.push(Step::ClearService(index));
            came = true;
        }
        Ok(came)
    }

    /// Takes in for how long idle flows are remembered, which the directory says; whether it is to say something else.
    fn idles(&mut self, wanted: &Wanted<'_>) -> bool {
        let mut changed = false;
        for record in self.books.services.values_mut() {
            if let Some(idle) = wanted.idle(&record.key).filter(|idle| *idle != record.idle) {
                record.idle = idle;
                changed = true;
            }
        }
        changed
    }

    /// Whether the tables have what is not wanted.
    fn departs(&self, wanted: &Wanted<'_>) -> bool {
        self.books.keys.keys().any(|key| !wanted.has(key)) || !self.parting_vips(wanted).is_empty()
    }

    fn parting_vips(&self, wanted: &Wanted<'_>) -> Vec<Address> {
        self.books.vips.keys().filter(|address| !wanted.vips.contains_key(address)).copied().collect()
    }

    /// Has the directory list what is there and wanted; afterwards no packet is led to anything else.
    fn list(&mut self, wanted: &Wanted<'_>) -> Result<(), TableError> {
        let mut entries = Vec::new();
        for (address, vip) in self.books.vips.iter().filter(|(address, _)| wanted.vips.contains_key(address)) {
            entries.push(slot(&Key::vip(*address), Slot::NO_SERVICE, vip.index, Idle::default()));
        }
        for (key, service) in self.books.keys.iter().filter(|(key, _)| wanted.has(key)) {
            // The VIP of what is wanted is in the image, and what is there has one: see `Wanted::of`.
            if let Some(vip) = self.books.vips.get(&key.address) {
                entries.push(slot(key, *service, vip.index, wanted.idle(key).unwrap_or_default()));
            }
        }
        let control = self.memory.control_record();
        let built = directory::build(&entries, control.directory_mask + 1, control.pilot_mask + 1)?;
        self.steps.extend([Step::Directory(Box::new(built)), Step::Grace]);
        Ok(())
    }

    /// Takes away what the directory no longer lists.
    fn depart(&mut self, wanted: &Wanted<'_>) {
        let mut gone: Vec<u16> = self.books.keys.iter().filter(|(key, _)| !wanted.has(key)).map(|(_, i)| *i).collect();
        gone.sort_unstable();
        for service in gone {
            let Some(record) = self.books.services.remove(&service) else { continue };
            self.books.keys.remove(&record.key);
            self.steps.push(Step::Table { service, table: Table::default() });
            self.steps.push(Step::Local { service, local: Local::NONE });
            self.steps.push(Step::Affinity { service, affinity: None });
            self.steps.push(Step::ClearService(service));
            for backend in record.backends.values() {
                self.steps.push(Step::Hop { backend: backend.index, hop: Hop::ABSENT, drained: false });
                self.steps.push(Step::RetireBackend { backend: backend.index, service: None });
                self.books.backend_indexes.give(backend.index);
                if let Some(number) = backend.left {
                    self.books.leaving.remove(&number);
                }
            }
            if let Some(run) = record.run {
                self.books.lines.give(run);
            }
            self.books.service_indexes.give(service);
        }
        for address in self.parting_vips(wanted) {
            if let Some(VipRecord { index, .. }) = self.books.vips.remove(&address) {
                self.steps.push(Step::Lease { vip: index, until: Vip::NOT_HELD });
                self.steps.push(Step::Elsewhere { vip: index, elsewhere: None, speaker: 0 });
                self.books.vip_indexes.give(index);
            }
        }
    }
}

fn slot(key: &Key, service: u16, vip: u16, idle: Idle) -> Slot {
    Slot { address: key.address, l4: key.l4, service, vip, idle }
}
