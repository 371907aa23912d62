//! Three hosts on a segment whose programs hang, die and come back at any time: never two of them serve at once, and soon
//! after the last trouble one does.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::core::vrrp::advert::Version;
use crate::core::vrrp::rules::{CLAIM, CLAIM_PART, HIGHEST, Rival};

const HOSTS: usize = 3;
/// How long trouble lasts, in intervals.
const TROUBLE: u32 = 40;
/// How long there is none after it: time for the last one to wake up, and for two elections.
const QUIET: u32 = 30;

/// What happens to a host's program.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// It does not run for so many tenths of an interval (SIGSTOP, a starved CPU).
    Hangs(u32),
    /// It is killed, and started again so many tenths of an interval later.
    Dies(u32),
    /// It is stopped cleanly, and started again.
    Stops(u32),
    /// Its host is not fit for so many tenths of an interval.
    Unfit(u32),
    /// What is tracked changes its priority.
    Weighted(i32),
    /// Its operator has it yield.
    Yields,
}

#[derive(Debug, Clone)]
struct Plan {
    interval: Duration,
    priorities: [u8; HOSTS],
    preempt: bool,
    preempt_delay: u32,
    /// In how many tenths of an interval a host catches up; `None`: it is taken to know everything at once.
    catches_up: Option<u32>,
    /// Whether a message never overtakes another one of its sender.
    in_order: bool,
    /// In tenths of an interval.
    duplicate_check: u32,
    /// When, in hundredths of an interval, to whom, and what.
    troubles: Vec<(u32, usize, Trouble)>,
    seed: u64,
}

/// What is to come, in the order of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Coming {
    Wake { host: usize, life: u32 },
    Message { host: usize, from: IpAddr, priority: u8 },
    Start { host: usize },
    Fit { host: usize },
    CaughtUp { host: usize, since: Now },
    Trouble { host: usize, index: usize },
}

struct Host {
    router: Router,
    alive: bool,
    /// Counts its deaths: what is meant for an earlier life is not for this one.
    life: u32,
    hangs_until: Now,
    queue: VecDeque<Input>,
    /// What the data path goes by.
    lease: Now,
    /// When the last message arrives that was sent to it, by sender.
    arrivals: [Now; HOSTS],
}

struct World {
    plan: Plan,
    now: Now,
    hosts: Vec<Host>,
    coming: BinaryHeap<Reverse<(Now, u64, Coming)>>,
    order: u64,
    random: u64,
    /// What happened, for whoever has to find out why.
    story: Vec<String>,
}

fn rules(plan: &Plan, host: usize) -> Rules {
    let address = |host: usize| IpAddr::from([10, 0, 0, 11 + host as u8]);
    let others = (0..HOSTS).filter(|other| *other != host);
    Rules {
        version: Version::V3,
        priority: plan.priorities[host],
        interval: plan.interval,
        preempt: plan.preempt,
        preempt_delay: plan.interval * plan.preempt_delay / 10,
        catches_up: plan.catches_up.is_some(),
        lease: plan.interval * 5 / 2,
        own: address(host),
        announce_again: plan.interval * 5,
        announce_every: Duration::ZERO,
        duplicate_check: plan.interval * plan.duplicate_check / 10,
        rivals: others
            .map(|other| Rival { addresses: vec![address(other)], priority: plan.priorities[other] })
            .collect(),
    }
}

impl World {
    fn new(plan: Plan) -> Self {
        let host = |host| Host {
            router: Router::new(rules(&plan, host), None),
            alive: true,
            life: 0,
            hangs_until: Now::default(),
            queue: VecDeque::new(),
            lease: Now::default(),
            arrivals: [Now::default(); HOSTS],
        };
        let (hosts, random) = ((0..HOSTS).map(host).collect(), plan.seed | 1);
        let mut world =
            Self { plan, now: Now::default(), hosts, coming: BinaryHeap::new(), order: 0, random, story: Vec::new() };
        for host in 0..HOSTS {
            world.at(world.now, Coming::Fit { host });
        }
        for (index, (at, host, _)) in world.plan.troubles.clone().into_iter().enumerate() {
            world.at(Now(world.plan.interval * at / 100), Coming::Trouble { host, index });
        }
        world
    }

    /// The time that others have to hear a claim.
    fn claim(&self) -> Duration {
        CLAIM.min(self.plan.interval / CLAIM_PART)
    }

    /// Up to a part of the time that a claim leaves for others to hear it.
    fn delay(&mut self) -> Duration {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.claim() * (self.random % 1000) as u32 / 3000
    }

    fn at(&mut self, time: Now, coming: Coming) {
        self.order += 1;
        self.coming.push(Reverse((time, self.order, coming)));
    }

    fn run(&mut self, until: Now) {
        while let Some(Reverse((time, _, _))) = self.coming.peek() {
            if *time > until {
                break;
            }
            let Some(Reverse((time, _, coming))) = self.coming.pop() else { break };
            self.now = time;
            self.happens(coming);
            let holders: Vec<usize> = (0..HOSTS).filter(|host| self.hosts[*host].lease > self.now).collect();
            let story = &self.story[self.story.len().saturating_sub(30)..];
            assert!(holders.len() <= 1, "hosts {holders:?} serve at once:\n{}", story.join("\n"));
        }
        self.now = until;
    }

    fn happens(&mut self, coming: Coming) {
        match coming {
            Coming::Wake { host, life } if self.hosts[host].life == life => self.wake(host),
            Coming::Wake { .. } => {}
            Coming::Message { host, from, priority } => {
                let heard = Heard { from, priority, interval: self.plan.interval, at: self.now };
                self.hosts[host].queue.push_back(Input::Heard(heard));
                self.wake(host);
            }
            Coming::Fit { host } => {
                self.hosts[host].queue.push_back(Input::Fitness(Fitness::Weighted(0)));
                self.wake(host);
            }
            Coming::CaughtUp { host, since } => {
                self.hosts[host].queue.push_back(Input::CaughtUp(since));
                self.wake(host);
            }
            Coming::Start { host } => {
                let lease = self.hosts[host].lease;
                let fresh = &mut self.hosts[host];
                (fresh.router, fresh.alive) = (Router::new(rules(&self.plan, host), Some(lease)), true);
                self.happens(Coming::Fit { host });
            }
            Coming::Trouble { host, index } => self.trouble(host, self.plan.troubles[index].2),
        }
    }

    fn trouble(&mut self, host: usize, trouble: Trouble) {
        let tenths = |count: u32| after(self.now, self.plan.interval * count / 10);
        if !self.hosts[host].alive {
            return;
        }
        match trouble {
            Trouble::Hangs(count) => {
                let until = tenths(count).max(self.hosts[host].hangs_until);
                self.hosts[host].hangs_until = until;
                let life = self.hosts[host].life;
                self.at(until, Coming::Wake { host, life });
            }
            Trouble::Dies(count) | Trouble::Stops(count) => {
                let again = tenths(count);
                if matches!(trouble, Trouble::Stops(_)) && self.hosts[host].hangs_until <= self.now {
                    self.input(host, Input::Stop);
                }
                let dead = &mut self.hosts[host];
                (dead.alive, dead.life, dead.hangs_until) = (false, dead.life + 1, self.now);
                dead.queue.clear();
                self.at(again, Coming::Start { host });
            }
            Trouble::Unfit(count) => {
                let again = tenths(count);
                self.hosts[host].queue.push_back(Input::Fitness(Fitness::Fault("no carrier".into())));
                self.wake(host);
                self.at(again, Coming::Fit { host });
            }
            Trouble::Weighted(weight) => {
                self.hosts[host].queue.push_back(Input::Fitness(Fitness::Weighted(weight)));
                self.wake(host);
            }
            Trouble::Yields => {
                self.hosts[host].queue.push_back(Input::Yield);
                self.wake(host);
            }
        }
    }

    /// A host's program runs: first what waits, then what is due.
    fn wake(&mut self, host: usize) {
        if !self.hosts[host].alive || self.now < self.hosts[host].hangs_until {
            return;
        }
        while let Some(input) = self.hosts[host].queue.pop_front() {
            self.input(host, input);
        }
        self.input(host, Input::Tick);
        let Some(deadline) = self.hosts[host].router.deadline() else { return };
        assert!(deadline > self.now, "what was due is still due: {:?}", self.hosts[host].router);
        let (late, life) = (self.delay(), self.hosts[host].life);
        self.at(after(deadline, late), Coming::Wake { host, life });
    }

    fn input(&mut self, host: usize, input: Input) {
        let told = format!("{input:?}");
        let before = self.hosts[host].router.behind();
        let outputs = self.hosts[host].router.handle(input, self.now);
        if let (Some(since), Some(tenths)) = (self.hosts[host].router.behind(), self.plan.catches_up)
            && Some(since) != before
        {
            self.at(after(self.now, self.plan.interval * tenths / 10), Coming::CaughtUp { host, since });
        }
        if !outputs.is_empty() || told != "Tick" {
            self.story.push(format!("{:?} host {host}: {told} -> {outputs:?}", self.now.0));
        }
        for output in outputs {
            match output {
                Output::Advertise(priority) => {
                    let from = self.hosts[host].router.rules.own;
                    for other in (0..HOSTS).filter(|other| *other != host) {
                        let mut arrives = after(self.now, self.delay());
                        if self.plan.in_order {
                            let last = &mut self.hosts[other].arrivals[host];
                            arrives = arrives.max(*last);
                            *last = arrives;
                        }
                        self.at(arrives, Coming::Message { host: other, from, priority });
                    }
                }
                Output::Lease(until) => self.hosts[host].lease = until,
                Output::Release => self.hosts[host].lease = Now::default(),
                Output::Announce | Output::Ask | Output::InUse(_) | Output::Changed(..) => {}
            }
        }
    }
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        (1..100_u32).prop_map(Trouble::Hangs),
        (1..60_u32).prop_map(Trouble::Dies),
        (1..60_u32).prop_map(Trouble::Stops),
        (1..60_u32).prop_map(Trouble::Unfit),
        (-100..100_i32).prop_map(Trouble::Weighted),
        Just(Trouble::Yields),
    ]
}

fn plan() -> impl Strategy<Value = Plan> {
    let priorities = prop_oneof![Just([150, 100, 50]), Just([100, 100, 100]), any::<[u8; HOSTS]>()];
    (
        prop_oneof![Just(10), Just(100), Just(1000)],
        priorities,
        any::<bool>(),
        prop_oneof![Just(0), 1..100_u32],
        prop_oneof![Just(0), 1..50_u32],
        prop::option::of(0..100_u32),
        any::<bool>(),
        prop::collection::vec((0..TROUBLE * 100, 0..HOSTS, trouble()), 0..12),
        any::<u64>(),
    )
        .prop_map(
            |(millis, priorities, preempt, preempt_delay, duplicate_check, catches_up, in_order, troubles, seed)| {
                Plan {
                    interval: Duration::from_millis(millis),
                    priorities: priorities.map(|priority| priority.clamp(1, HIGHEST)),
                    preempt,
                    preempt_delay,
                    catches_up,
                    in_order,
                    duplicate_check,
                    troubles,
                    seed,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn never_two_hosts_serve_and_soon_one_does(plan in plan()) {
        let mut world = World::new(plan);
        let end = world.plan.interval * (TROUBLE + QUIET);
        world.run(Now(end));
        let holders: Vec<usize> = (0..HOSTS).filter(|host| world.hosts[*host].lease > world.now).collect();
        prop_assert_eq!(holders.len(), 1, "nobody serves");
        let holds = |host: usize| matches!(world.hosts[host].router.state, State::Holder { .. });
        prop_assert!(holds(holders[0]));
        prop_assert_eq!((0..HOSTS).filter(|host| holds(*host)).count(), 1);
    }
}

/// A plan in which nothing happens.
fn calm(millis: u64, priorities: [u8; HOSTS], seed: u64) -> Plan {
    Plan {
        interval: Duration::from_millis(millis),
        priorities,
        preempt: true,
        preempt_delay: 0,
        catches_up: None,
        in_order: true,
        duplicate_check: 0,
        troubles: Vec::new(),
        seed,
    }
}

fn intervals() -> impl Strategy<Value = u64> {
    prop_oneof![Just(10), Just(100), Just(1000)]
}

proptest! {
    /// However the claims of those that are left cross each other: nobody waits for a lease that nobody has.
    #[test]
    fn a_dead_holder_is_succeeded_in_time(
        priorities in prop_oneof![Just([150, 100, 50]), Just([100, 100, 100]), Just([250, 240, 239])],
        millis in intervals(),
        when in 0..100_u32,
        seed in any::<u64>(),
    ) {
        let mut world = World::new(calm(millis, priorities, seed));
        let interval = world.plan.interval;
        let death = interval * 12 + interval * when / 100;
        world.run(Now(death));
        let Some(dead) = (0..HOSTS).find(|host| world.hosts[*host].lease > world.now) else { panic!("nobody serves") };
        world.trouble(dead, Trouble::Dies(1000));
        let best = (0..HOSTS).filter(|host| *host != dead).map(|host| priorities[host]).max().unwrap_or_default();
        // Its last message was heard; then silence, a wake-up that is late, the claim, and another one.
        let latest = death + timers::master_down(Version::V3, best, interval) + world.claim() * 3;
        world.run(Now(latest));
        let serves = |host: usize| host != dead && world.hosts[host].lease > world.now;
        let story = &world.story[world.story.len().saturating_sub(20)..];
        prop_assert!((0..HOSTS).any(serves), "nobody serves at {latest:?}:\n{}", story.join("\n"));
    }

    #[test]
    fn several_better_hosts_that_come_back_at_once_cost_no_more_than_one(
        priorities in prop_oneof![Just([150, 100, 50]), Just([250, 249, 248]), Just([100, 150, 50])],
        millis in intervals(),
        apart in 0..20_u32,
        seed in any::<u64>(),
    ) {
        let back = |host, tenths| (0, host, Trouble::Unfit(tenths));
        let troubles = vec![back(0, 150), back(1, 150 + apart)];
        let mut world = World::new(Plan { troubles, ..calm(millis, priorities, seed) });
        let (interval, step) = (world.plan.interval, world.claim() / 4);
        world.run(Now(interval * 6));
        prop_assert!(world.hosts[2].lease > world.now, "the worst one serves alone");
        let mut silent = Duration::ZERO;
        while world.now < Now(interval * 30) {
            let serves = (0..HOSTS).any(|host| world.hosts[host].lease > world.now);
            silent = if serves { Duration::ZERO } else { silent + step };
            let story = &world.story[world.story.len().saturating_sub(20)..];
            prop_assert!(silent <= world.claim() * 3, "nobody serves for {silent:?}:\n{}", story.join("\n"));
            world.run(Now(world.now.0 + step));
        }
        let best = usize::from(priorities[1] > priorities[0]);
        prop_assert!(world.hosts[best].lease > world.now, "the best one serves");
    }
}
