//! The host under test, twice: every frame and every change of the tables goes through the real program in the kernel
//! and through the host build of the same path, and both must do what the case expects.

use lb_userspace::core::config::model::TableSizes;
use lb_userspace::tables::memory::TableMemory;

use super::asked::{Asked, name_of};
use super::expect::{Expect, Leaves};
use super::kernel::{Kernel, stay_on_this_cpu};
use super::observed::Observed;
use super::scene::{OWN_MAC, Scene, bound, mac_of};
use super::segment::{Frame, ROUTER_MAC, reset};
use super::side::{Hook, Host, Outcome, Side, TABLES};

/// The shortest frame that BPF_PROG_TEST_RUN takes: an Ethernet header.
pub(crate) const SHORTEST_IN_KERNEL: usize = 14;

/// A host that runs pivot's data path.
pub(crate) struct Director {
    kernel: Kernel,
    host: Host,
    asked: Asked,
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
        let mut director = Self { kernel: Kernel::load(tables), host: Host::new(tables), asked: Asked::default() };
        director.configure(scene);
        director
    }

    /// Brings the tables to this.
    #[track_caller]
    pub(crate) fn configure(&mut self, scene: impl Into<Scene>) {
        let image = scene.into().image();
        for side in self.sides() {
            side.writer_mut().apply(&image).unwrap_or_else(|error| panic!("{}: {error}", side.name()));
        }
        self.asked.configured(image);
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

    /// The flow cache is emptied, as if other flows had pushed everything out.
    pub(crate) fn forgets_cache(&mut self) {
        for side in self.sides() {
            side.forget_cache();
        }
        self.asked.forgotten();
    }

    /// The case has sent so many other flows that the cache had to give up this segment's.
    pub(crate) fn crowded_out(&mut self, frame: impl Into<Frame>) {
        self.asked.doubted(&frame.into().parties.expect("a TCP segment"));
    }

    /// The cache says that a segment's flow was given a backend, and has not asked since the tables last changed: as that
    /// of a CPU which has not seen the flow lately. What the shared table says stays as it is.
    #[track_caller]
    pub(crate) fn has_stale_cache(&mut self, frame: impl Into<Frame>, backend: &str) {
        let parties = frame.into().parties.expect("a TCP segment");
        for side in self.sides() {
            side.cache_stale(&parties, backend);
        }
        self.asked.doubted(&parties);
    }

    /// Something is done to the tables behind the writer's back.
    pub(crate) fn tampered(&mut self, tamper: impl Fn(&TableMemory)) {
        for side in self.sides() {
            tamper(side.memory());
        }
    }

    /// Where the backend is bound that a segment's flow was given, as both sides remember it; `None`: to none that is still there.
    #[track_caller]
    pub(crate) fn remembers(&self, frame: impl Into<Frame>, backend: Option<&str>) {
        let parties = frame.into().parties.expect("a TCP segment");
        for (side, observed) in self.observed() {
            let given = observed.flows.get(&name_of(&parties)).copied().flatten();
            assert_eq!(given, backend.map(bound), "{side}: what {parties:?} was given");
        }
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
        let [kernel, host] = self.sides().map(|side| (side.run(hook, frame), Observed::of(side.writer())));
        if kernel == host { Ok(()) } else { Err(format!("kernel: {kernel:?}\n  host: {host:?}")) }
    }

    fn sides(&mut self) -> [&mut dyn Side; 2] {
        [&mut self.kernel, &mut self.host]
    }

    #[track_caller]
    fn meets(&mut self, hook: Hook, frame: &Frame, expect: &Expect) {
        if frame.bytes.len() < SHORTEST_IN_KERNEL {
            assert_eq!(
                self.kernel.refusal(&frame.bytes),
                Some(libc::EINVAL),
                "the kernel tries so short a frame after all"
            );
            return check(&mut self.host, &self.asked, hook, frame, expect);
        }
        for side in [&mut self.kernel as &mut dyn Side, &mut self.host] {
            check(side, &self.asked, hook, frame, expect);
        }
        self.asked.met(frame, expect);
    }
}

/// Runs a frame on one side and compares everything with what is expected.
#[track_caller]
fn check(side: &mut dyn Side, asked: &Asked, hook: Hook, frame: &Frame, expect: &Expect) {
    let mut expected = Observed::of(side.writer());
    account(&mut expected, asked, frame, expect);
    let outcome = side.run(hook, &frame.bytes);
    let observed = Observed::of(side.writer());
    assert_eq!(observed.verdicts, expected.verdicts, "{}: verdicts (left: counted)", side.name());
    let bytes = leaves(frame, expect);
    assert_eq!(outcome, Outcome { action: expect.action, bytes }, "{}: what became of the frame (left)", side.name());
    assert_eq!(observed, expected, "{}: counters and flows (left: as they are)", side.name());
}

/// Adds to what was counted and remembered before a frame what is expected of it.
#[track_caller]
fn account(expected: &mut Observed, asked: &Asked, frame: &Frame, expect: &Expect) {
    if let Some(verdict) = expect.verdict {
        *expected.verdicts.entry(verdict.name()).or_default() += 1;
    }
    if !expect.balanced {
        return;
    }
    let parties = frame.parties.expect("only TCP is balanced");
    let recalled = asked.recalls(expected, &parties);
    assert!(recalled || !expect.recalled, "the case says that {parties:?} is recalled; nothing before it makes it so");
    let (service, bytes, chosen) = (parties.service.to_string(), frame.bytes.len() as u64, u64::from(expect.chosen));
    add(expected.services.entry(service.clone()).or_default(), [1, bytes, chosen, u64::from(recalled)]);
    let Some(backend) = expect.backend else { return };
    add(expected.backends.entry((service.clone(), bound(backend))).or_default(), [1, bytes, chosen, 0]);
    if expect.told_again || expect.chosen && !parties.resets {
        expected.flows.insert(name_of(&parties), Some(bound(backend)));
    }
}

fn add(counters: &mut [u64; 4], more: [u64; 4]) {
    for (counter, more) in counters.iter_mut().zip(more) {
        *counter += more;
    }
}

/// The frame as it is expected to be afterwards.
fn leaves(frame: &Frame, expect: &Expect) -> Vec<u8> {
    match &expect.leaves {
        Leaves::Unchanged => frame.bytes.clone(),
        Leaves::As(bytes) => bytes.clone(),
        Leaves::ToBackend => {
            let to = mac_of(expect.backend.expect("a backend that it is forwarded to"));
            [&to.0, &OWN_MAC.0, &frame.bytes[12..]].concat()
        }
        Leaves::Reset { sequence, acknowledgment } => {
            reset(ROUTER_MAC, &frame.parties.expect("a TCP segment"), *sequence, *acknowledgment)
        }
    }
}
