//! A host that runs the packet path over small tables, and everything in them that frames change: twice, so that the long
//! way can be gone beside the short one.

use lb_common::path::run::{self, Exit};
use lb_common::path::steer::{self, Target};
use lb_common::path::verdict::Verdict;
use lb_common::wire::flow::Set;
use lb_common::wire::pace::Limits;
use lb_common::wire::word::Word;
use lb_userspace::core::event::Mac;
use lb_userspace::tables::clock::Clock;
use lb_userspace::tables::memory::TableMemory;
use lb_userspace::tables::region::Region;
use lb_userspace::tables::sizes::Sizes;
use lb_userspace::tables::writer::{TableError, Writer};

use super::guarded::Guarded;
use super::scene::{INTERFACES, OWN_ADDRESS, Scene};
use super::shadow::Shadow;

/// Which way a frame takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The short one if it can.
    Any,
    /// The long one.
    Long,
}

/// The host.
pub struct Host {
    writer: Writer,
    /// What frames that went the long way have changed.
    shadow: TableMemory,
    room: u32,
}

impl Host {
    /// With a scene in its tables.
    #[must_use]
    pub fn new(scene: &Scene) -> Self {
        // Two sets are full at once.
        let sets = if scene.fixed & 1 == 0 { 8 } else { 2 };
        let sizes = Sizes {
            cpus: 1,
            services: 16,
            backends: 128,
            directory: 64,
            pilots: 32,
            maglev: 64,
            flow_sets4: sets,
            flow_sets6: sets,
        };
        let clock = Clock::with_hz(1000);
        let memory = TableMemory::heap_with_links(&sizes, clock, INTERFACES.len() + 3);
        let shadow = TableMemory::heap_with_links(&sizes, clock, 0);
        let mut writer = Writer::new(memory, clock, Box::new(|| Ok(())));
        for (index, name, mac) in INTERFACES {
            let address = (index == INTERFACES[0].0).then_some(OWN_ADDRESS.into());
            writer.set_link(name, index, Mac(mac), address).expect("few interfaces");
        }
        scene.below_vlans().into_iter().for_each(|index| writer.set_vlans(index, true));
        let limits = match scene.fixed >> 1 & 3 {
            0 => Limits { flows: u32::MAX, errors: 32 },
            1 => Limits { flows: 3, errors: 2 },
            2 => Limits { flows: 0, errors: 0 },
            _ => Limits { flows: 1, errors: u32::MAX },
        };
        writer.memory().control_record().limits.set(limits.pack());
        let mut host = Self { writer, shadow, room: if scene.fixed & 8 == 0 { 256 } else { 0 } };
        host.configure(scene).expect("a first scene fits");
        host
    }

    /// Brings the tables to another scene.
    ///
    /// # Errors
    /// What the writer says; nothing is changed then.
    pub fn configure(&mut self, scene: &Scene) -> Result<(), TableError> {
        self.must_agree();
        self.writer.apply(&scene.image())?;
        // The writer has the counters of what is new start at zero, and keeps what they said elsewhere.
        let memory = self.writer.memory();
        for (from, to) in memory.service_counters.iter().zip(self.shadow.service_counters.iter()) {
            copy([&from.packets, &from.bytes, &from.chosen], [&to.packets, &to.bytes, &to.chosen]);
            copy([&from.evicted, &from.crowded, &from.limited], [&to.evicted, &to.crowded, &to.limited]);
        }
        for (from, to) in memory.backend_counters.iter().zip(self.shadow.backend_counters.iter()) {
            copy([&from.forwarded, &from.redirected, &from.local], [&to.forwarded, &to.redirected, &to.local]);
            copy([&from.bytes, &from.flows], [&to.bytes, &to.flows]);
        }
        for (from, to) in memory.verdicts.iter().zip(self.shadow.verdicts.iter()) {
            to.set(from.get());
        }
        Ok(())
    }

    /// Both ways have left the same behind.
    ///
    /// # Panics
    /// If they have not.
    pub fn must_agree(&self) {
        let (short, long) = (self.state(Way::Any), self.state(Way::Long));
        assert!(short == long, "the short way and the long way leave different flows or counters behind");
    }

    /// The tables as a way sees them.
    fn memory(&self, way: Way) -> &TableMemory {
        match way {
            Way::Any => self.writer.memory(),
            Way::Long => &self.shadow,
        }
    }

    /// So many jiffies pass.
    pub fn wait(&self, jiffies: u64) {
        let now = &self.writer.memory().now;
        now.set(now.get() + jiffies);
    }

    /// Puts another word into a flow's entry, as nobody but a broken writer does.
    pub fn tamper(&self, which: usize, change: u64) {
        fn entries<const K: usize, const W: usize>(sets: &Region<Set<K, W>>) -> impl Iterator<Item = &Word> {
            sets.iter().flat_map(|set| set.flows().map(|(.., cell)| cell))
        }
        for way in [Way::Any, Way::Long] {
            let flows = &self.memory(way).flows;
            let cells: Vec<&Word> = entries(&flows.v4).chain(entries(&flows.v6)).collect();
            if let Some(cell) = cells.get(which % cells.len().max(1)) {
                cell.set(cell.get() ^ change);
            }
        }
    }

    /// A frame comes in by an interface: what became of it, and what it is now.
    #[must_use]
    pub fn receives(&self, way: Way, frame: &[u8], interface: u32) -> (Exit, Vec<u8>) {
        let mut packet = Guarded::new(frame, self.room);
        let exit = match way {
            Way::Any => run::run(&mut packet, self.writer.memory(), interface),
            Way::Long => {
                let tables = Shadow { tables: self.writer.memory(), changing: &self.shadow };
                run::long(&mut packet, &tables, interface)
            }
        };
        (exit, packet.into_bytes())
    }

    /// The host's own stack sends a frame by an interface.
    #[must_use]
    pub fn sends(&self, frame: &[u8], interface: u32) -> (Option<Verdict>, Vec<u8>) {
        let mut packet = Guarded::new(frame, self.room);
        let verdict = run::run_outgoing(&mut packet, self.writer.memory(), interface);
        (verdict, packet.into_bytes())
    }

    /// The socket on this host that a frame opens a connection to.
    #[must_use]
    pub fn steers(&self, frame: &[u8]) -> Option<Target> {
        steer::target(&Guarded::new(frame, self.room), self.writer.memory())
    }

    /// Everything that frames which went this way have changed, in order.
    fn state(&self, way: Way) -> Vec<u64> {
        fn flows<const K: usize, const W: usize>(sets: &Region<Set<K, W>>, words: &mut Vec<u64>) {
            for (i, set) in (0..).zip(sets.iter()) {
                for (key, entry, _) in set.flows() {
                    words.push(i);
                    words.extend(key);
                    words.push(entry.word());
                }
            }
        }
        let memory = self.memory(way);
        let mut words: Vec<u64> = memory.verdicts.iter().map(Word::get).collect();
        for c in memory.service_counters.iter() {
            words.extend([&c.packets, &c.bytes, &c.chosen, &c.evicted, &c.crowded, &c.limited].map(Word::get));
        }
        for c in memory.backend_counters.iter() {
            words.extend([&c.forwarded, &c.redirected, &c.local, &c.bytes, &c.flows].map(Word::get));
        }
        words.extend(memory.paces.iter().flat_map(|pace| [pace.flows.get(), pace.errors.get()]));
        flows(&memory.flows.v4, &mut words);
        flows(&memory.flows.v6, &mut words);
        words
    }
}

fn copy<const N: usize>(from: [&Word; N], to: [&Word; N]) {
    from.into_iter().zip(to).for_each(|(from, to)| to.set(from.get()));
}
