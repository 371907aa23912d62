//! The host under test, twice: every frame and every change of the tables goes through the real program in the kernel
//! and through the host build of the same path, and both must do what the case expects.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use lb_common::wire::flow::{Stage, Ticks};
use lb_common::wire::pace::Limits;
use lb_userspace::core::config::model::TableSizes;
use lb_userspace::core::plan::Image;
use lb_userspace::tables::memory::TableMemory;

use super::answer;
use super::expect::{Expect, Leaves};
use super::kernel::{Kernel, stay_on_this_cpu};
use super::model::{World, flow_of};
use super::net::Net;
use super::observed::{Name, Observed, Remembered};
use super::reading::Frame;
use super::scene::{BEYOND_MAC, HOLDER_MAC, OWN_MAC, Scene, bound, mac_of};
use super::side::{Hook, Host, Outcome, Side, TABLES};
use super::time::Jiffies;

/// A host that runs pivot's data path.
pub(crate) struct Director {
    kernel: Kernel,
    host: Host,
    image: Image,
    time: Jiffies,
}

/// With these services and VIPs in its tables.
#[track_caller]
pub(crate) fn director(scene: impl Into<Scene>) -> Director {
    Director::sized(&TABLES, scene)
}

impl Director {
    /// The same, with tables of other sizes.
    #[track_caller]
    pub(crate) fn sized(tables: &TableSizes, scene: impl Into<Scene>) -> Self {
        stay_on_this_cpu();
        let (kernel, host, time) = (Kernel::take(tables), Host::new(tables), Jiffies::of_kernel());
        let mut director = Self { kernel, host, image: Image::default(), time };
        director.configure(scene);
        director
    }

    /// Brings the tables to this.
    #[track_caller]
    pub(crate) fn configure(&mut self, scene: impl Into<Scene>) {
        self.image = scene.into().image();
        let image = self.image.clone();
        for side in self.sides() {
            side.writer_mut().apply(&image).unwrap_or_else(|error| panic!("{}: {error}", side.name()));
        }
    }

    /// A frame comes in.
    #[track_caller]
    pub(crate) fn receives(&mut self, frame: impl Into<Frame>, expect: Expect) {
        self.meets(Hook::Incoming, &frame.into(), &expect);
    }

    /// The host's own stack sends a frame.
    #[track_caller]
    pub(crate) fn sends(&mut self, frame: impl Into<Frame>, expect: Expect) {
        self.meets(Hook::Outgoing, &frame.into(), &expect);
    }

    /// A frame goes up this host's stack, where nothing listens: for a thread that is [`alone`].
    #[track_caller]
    pub(crate) fn finds_no_listener_for(&mut self, frame: impl Into<Frame>, expect: Expect) {
        self.meets(Hook::Steering, &frame.into(), &expect);
    }

    /// So much time goes by for all that is remembered.
    pub(crate) fn waits(&mut self, time: Duration) {
        let ticks = self.time.clock().ticks(time);
        for side in self.sides() {
            side.age(ticks);
        }
    }

    /// How long a tick of the flow table is.
    pub(crate) fn tick(&self) -> Duration {
        self.time.clock().time(1)
    }

    /// Each CPU may do this from now on.
    pub(crate) fn limits(&mut self, limits: Limits) {
        self.tampered(|memory| memory.control_record().limits.set(limits.pack()));
    }

    /// Something is done to the tables behind the writer's back.
    pub(crate) fn tampered(&mut self, tamper: impl Fn(&TableMemory)) {
        for side in self.sides() {
            tamper(side.memory());
        }
    }

    /// The backend that a packet's flow was given, as both sides remember it; `None`: to none that is still there.
    #[track_caller]
    pub(crate) fn remembers(&self, frame: impl Into<Frame>, backend: Option<&str>) {
        let reading = frame.into().reading.expect("an IP packet");
        let expected = backend.map(|backend| bound(Net::of(reading.service.ip()), backend));
        for (side, entry) in self.entries(&flow_of(&reading)) {
            assert_eq!(entry.and_then(|entry| entry.backend), expected, "{side}: what {reading:?} was given");
        }
    }

    /// The backend that a packet's flow was given.
    pub(crate) fn given(&self, frame: impl Into<Frame>) -> Option<SocketAddr> {
        let reading = frame.into().reading.expect("an IP packet");
        let [(_, entry), _] = self.entries(&flow_of(&reading));
        entry?.backend
    }

    /// How far a packet's flow has come, and for how long it is remembered.
    #[track_caller]
    pub(crate) fn is_at(&self, frame: impl Into<Frame>, stage: Stage, life: Duration) {
        let reading = frame.into().reading.expect("an IP packet");
        let (life, now) = (self.time.clock().ticks(life), self.time.tick());
        for (side, entry) in self.entries(&flow_of(&reading)) {
            let entry = entry.unwrap_or_else(|| panic!("{side}: {reading:?} is not remembered"));
            assert_eq!(entry.stage, stage, "{side}: how far {reading:?} has come");
            // The tick that has begun counts; since the flow's last packet, another may have.
            let left = entry.until.left(now);
            // What is established is written down again only now and then, see `Clock::idle`.
            let slack = if stage == Stage::Established { life / 16 } else { 0 };
            assert!((life..=life + slack + 1).contains(&left), "{side}: {left} ticks left of {life}");
        }
    }

    /// Entries of the flow table for all that is not a flow: clients and fragments.
    pub(crate) fn beside_flows(&self) -> Vec<Name> {
        let [(_, observed), _] = self.observed();
        observed.flows.into_keys().filter(|name| !matches!(name, Name::Flow(..))).collect()
    }

    /// What each side has counted and remembered.
    pub(crate) fn observed(&self) -> [(&'static str, Observed); 2] {
        [&self.kernel as &dyn Side, &self.host].map(|side| (side.name(), Observed::of(side.writer())))
    }

    /// Any frame meets any tables: both sides must do the same with it, count the same and remember the same.
    ///
    /// # Errors
    /// How they differ.
    pub(crate) fn agrees(&mut self, hook: Hook, frame: &[u8]) -> Result<(), String> {
        let now = self.time.amid_a_tick();
        let [kernel, host] = self.sides().map(|side| (side.run(hook, frame, now), Observed::of(side.writer())));
        if kernel == host {
            return Ok(());
        }
        if self.time.tick() == Ticks::at(now) {
            return Err(format!("kernel: {kernel:?}\n  host: {host:?}"));
        }
        // The kernel was in the next tick already, and remembers that.
        self.host.remember_as(self.kernel.memory());
        Ok(())
    }

    /// What the kernel makes of a frame that the case has no other word for.
    pub(crate) fn tries(&mut self, frame: impl Into<Frame>) {
        let frame = frame.into();
        self.agrees(Hook::Incoming, &frame.bytes).unwrap_or_else(|difference| panic!("{difference}"));
    }

    fn entries(&self, name: &Name) -> [(&'static str, Option<Remembered>); 2] {
        self.observed().map(|(side, observed)| (side, observed.flows.get(name).copied()))
    }

    fn sides(&mut self) -> [&mut dyn Side; 2] {
        [&mut self.kernel, &mut self.host]
    }

    #[track_caller]
    fn meets(&mut self, hook: Hook, frame: &Frame, expect: &Expect) {
        let now = self.time.amid_a_tick();
        if !self.kernel.takes(hook, &frame.bytes) {
            return check(&mut self.host, (&self.image, self.time), hook, frame, expect, now);
        }
        for side in [&mut self.kernel as &mut dyn Side, &mut self.host] {
            check(side, (&self.image, self.time), hook, frame, expect, now);
        }
    }
}

/// Runs a frame on one side and compares everything with what is expected.
#[track_caller]
fn check(side: &mut dyn Side, (image, time): (&Image, Jiffies), hook: Hook, frame: &Frame, expect: &Expect, now: u64) {
    let clock = time.clock();
    let before = Observed::of(side.writer());
    let expected_at = |jiffies| {
        let mut expected = before.clone();
        World { image, clock, now: Ticks::at(jiffies) }.account(&mut expected, frame, expect);
        expected
    };
    let mut expected = expected_at(now);
    let outcome = side.run(hook, &frame.bytes, now);
    let observed = Observed::of(side.writer());
    // This thread may have had to wait for its CPU until the next tick had begun.
    if observed != expected && time.tick() != Ticks::at(now) {
        expected = expected_at(time.now());
    }
    assert_eq!(observed.verdicts, expected.verdicts, "{}: verdicts (left: counted)", side.name());
    let bytes = leaves(frame, expect);
    assert_eq!(outcome, Outcome { action: expect.action, bytes }, "{}: what became of the frame (left)", side.name());
    assert_eq!(observed, expected, "{}: counters and flows (left: as they are)", side.name());
}

/// The frame as it is expected to be afterwards.
fn leaves(frame: &Frame, expect: &Expect) -> Vec<u8> {
    match &expect.leaves {
        Leaves::Unchanged => frame.bytes.clone(),
        Leaves::As(bytes) => bytes.clone(),
        Leaves::To(backend) => [&mac_of(backend).0, &OWN_MAC.0, &frame.bytes[12..]].concat(),
        Leaves::Beyond(backend) => [&mac_of(backend).0, &BEYOND_MAC.0, &frame.bytes[12..]].concat(),
        Leaves::ToHolder => [&HOLDER_MAC.0, &OWN_MAC.0, &frame.bytes[12..]].concat(),
        Leaves::ToHolderBeyond => [&HOLDER_MAC.0, &BEYOND_MAC.0, &frame.bytes[12..]].concat(),
        Leaves::Restored => restored(frame),
        Leaves::Again(backend) => [&mac_of(backend).0, &OWN_MAC.0, &restored(frame)[12..]].concat(),
        Leaves::AgainBeyond(backend) => [&mac_of(backend).0, &BEYOND_MAC.0, &restored(frame)[12..]].concat(),
        Leaves::HandedBack => {
            let mut bytes = frame.bytes.clone();
            bytes[typed(frame)].copy_from_slice(&net(frame).returned().to_be_bytes());
            [&frame.bytes[6..12], &frame.bytes[..6], &bytes[12..]].concat()
        }
        Leaves::Reset { sequence, acknowledgment } => answer::reset(frame, *sequence, *acknowledgment),
        Leaves::Unreachable => answer::unreachable(frame),
    }
}

/// A frame that was handed back, as it was before.
fn restored(frame: &Frame) -> Vec<u8> {
    let mut bytes = frame.bytes.clone();
    bytes[typed(frame)].copy_from_slice(&net(frame).ethertype().to_be_bytes());
    bytes
}

/// Where a frame says what it carries.
fn typed(frame: &Frame) -> Range<usize> {
    let l3 = frame.reading.as_ref().expect("an IP packet").l3;
    l3 - 2..l3
}

fn net(frame: &Frame) -> Net {
    Net::of(frame.reading.as_ref().expect("an IP packet").service.ip())
}
