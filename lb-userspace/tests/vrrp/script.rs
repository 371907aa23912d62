//! A case's events, carried out: text in, text out.
//!
//! ```text
//! router id=51 priority=100 own=10.0.0.11 vips=10.0.0.100     a virtual router; options below
//! 0ms fit                                                     events at their times, in order
//! 2s hear from=10.0.0.12 priority=150
//! 9s stalled                                                  nothing happened in between, not even what was due
//! 10s end                                                     what is due until then, and no more
//! ```
//!
//! What is due in between happens when it is due, as `tick`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use lb_userspace::core::election::{Action, Datagram, Election as _, Event, Fitness, InUse};
use lb_userspace::core::event::{Mac, Now};
use lb_userspace::core::vrrp::advert::{self, Advert, GROUP4, GROUP6, Password, Shape, Version};
use lb_userspace::core::vrrp::rules::{Rival, Rules};
use lb_userspace::core::vrrp::{Instance, Vrrp};

/// The interface of every router that names none.
const INTERFACE: &str = "eth0";

type Options<'a> = HashMap<&'a str, &'a str>;

/// Carries out a case's events; returns what happened, and what came out.
pub(crate) fn run(events: &str) -> Result<String, String> {
    let lines = events.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (routers, events): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with("router "));
    let instances: Vec<(Instance, Option<Now>)> =
        routers.iter().map(|line| instance(line)).collect::<Result<_, _>>()?;
    let vrrp = Vrrp::new(instances.clone());
    let instances = instances.into_iter().map(|(instance, _)| instance).collect();
    let mut play = Play { vrrp, instances, out: String::new() };
    for line in events {
        play.event(line).map_err(|why| format!("{line}: {why}"))?;
    }
    Ok(play.out)
}

struct Play {
    instances: Vec<Instance>,
    vrrp: Vrrp,
    out: String,
}

impl Play {
    fn event(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split_whitespace();
        let at = Now(duration(words.next().unwrap_or_default())?);
        let what = words.next().ok_or("no event")?;
        let options = options(words)?;
        let group = options.get("router").copied().unwrap_or("51");
        if what != "stalled" {
            self.wait_until(at);
        }
        let title = line.split_once(' ').map_or("", |(_, rest)| rest.trim());
        match what {
            "end" => {}
            "stalled" => self.step(at, title, Event::Tick),
            "fit" => {
                let weight = option(&options, "weight", 0)?;
                self.step(at, title, Event::Fitness { group, fitness: Fitness::Weighted(weight) });
            }
            "fault" => {
                let fitness = Fitness::Fault(options.get("why").copied().unwrap_or("no carrier").to_owned());
                self.step(at, title, Event::Fitness { group, fitness });
            }
            "answer" => {
                let vip = option(&options, "vip", IpAddr::from([10, 0, 0, 100]))?;
                let last = option(&options, "mac", 9)?;
                let answer = InUse { vip, mac: Mac([2, 0, 0, 0, 0, last]), interface: INTERFACE.to_owned() };
                self.step(at, title, Event::InUse { group, answer });
            }
            "unsent" => self.step(at, title, Event::Unsent { group, why: "Network is down".to_owned() }),
            "caught-up" => {
                let since = Now(duration(options.get("since").copied().unwrap_or_default())?);
                self.step(at, title, Event::CaughtUp { group, since });
            }
            "yield" => self.step(at, title, Event::Yield { group }),
            "stop" => self.step(at, title, Event::Stop),
            "hear" => self.hear(at, title, &options)?,
            other => return Err(format!("no such event: {other}")),
        }
        Ok(())
    }

    /// What is due until then happens; what is due right then comes after what else happens.
    fn wait_until(&mut self, until: Now) {
        while let Some(due) = self.vrrp.deadline().filter(|due| *due < until) {
            self.step(due, "tick", Event::Tick);
            assert!(self.vrrp.deadline() != Some(due), "what was due at {due:?} is still due");
        }
    }

    fn step(&mut self, at: Now, title: &str, event: Event<'_>) {
        writeln!(self.out, "{} {title}", time(at.0)).unwrap();
        for action in self.vrrp.handle(event, at) {
            let line = self.tell(&action);
            writeln!(self.out, "    {line}").unwrap();
        }
    }

    /// A message as another router would send it to the first of ours, but for what the options say.
    fn hear(&mut self, at: Now, title: &str, options: &Options<'_>) -> Result<(), String> {
        let group = options.get("router").copied().unwrap_or("51");
        let instance = self.instances.iter().find(|instance| *instance.group == *group).cloned();
        let instance = instance.ok_or("no such router")?;
        let source: IpAddr = option(options, "from", instance.rules.own)?;
        let meant = if instance.peers.is_empty() { all(source) } else { instance.rules.own };
        let destination: IpAddr = option(options, "to", meant)?;
        let payload = match options.get("bytes") {
            Some(hex) => bytes(hex)?,
            None => {
                let advert = Advert {
                    version: version(options, instance.rules.version)?,
                    vrid: option(options, "id", instance.vrid)?,
                    priority: option(options, "priority", 100)?,
                    interval: options.get("advert").map_or(Ok(instance.rules.interval), |text| duration(text))?,
                    addresses: options.get("vips").map_or(Ok(instance.addresses.clone()), |text| addresses(text))?,
                };
                let password = options.get("password").map(|text| password(text)).or(instance.shape.password);
                let shape =
                    Shape { password: password.filter(|Password(bytes)| bytes != b"none\0\0\0\0"), ..instance.shape };
                advert::encode(&advert, shape, source, destination)
            }
        };
        let interface = options.get("interface").copied().unwrap_or(INTERFACE);
        let arrived = options.get("at").map_or(Ok(at.0), |text| duration(text))?;
        let hops = option(options, "hops", advert::HOPS)?;
        let datagram = Datagram { interface, source, destination, at: Now(arrived), hops, payload: &payload };
        self.step(at, title, Event::Message(datagram));
        Ok(())
    }

    fn tell(&self, action: &Action) -> String {
        let named = |group: &str| if self.instances.len() == 1 { String::new() } else { format!("[{group}] ") };
        match action {
            Action::Send { group, destination, payload } => {
                let own = self.instances.iter().find(|instance| instance.group == *group).map(|it| it.rules.own);
                let (advert, password) = advert::decode(payload, own.unwrap(), *destination).unwrap();
                let Advert { version, vrid, priority, interval, addresses } = advert;
                let secret = if password.is_some() { " with a password" } else { "" };
                let addresses = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let (number, every) = (version.number(), time(interval));
                format!(
                    "{}send to {destination}: v{number} id {vrid} priority {priority} every {every}{secret}: {addresses}",
                    named(group)
                )
            }
            Action::Lease { group, until } => format!("{}lease until {}", named(group), time(until.0)),
            Action::Release { group } => format!("{}release", named(group)),
            Action::Announce { group } => format!("{}announce", named(group)),
            Action::Ask { group } => format!("{}ask the segment", named(group)),
            Action::InUse { group, why } => format!("{}not taken: {why}", named(group)),
            Action::Changed { group, role, why } => format!("{}{}: {why}", named(group), role.name()),
            Action::Ignored { group, source, kind: _, why } => {
                let group = group.as_ref().map(|group| named(group)).unwrap_or_default();
                format!("{group}ignored, from {source}: {why}")
            }
        }
    }
}

/// A router, and the end of the lease that it inherits.
fn instance(line: &str) -> Result<(Instance, Option<Now>), String> {
    let options = options(line.split_whitespace().skip(1))?;
    let own: IpAddr = option(&options, "own", IpAddr::from([10, 0, 0, 11]))?;
    let vrid: u8 = option(&options, "id", 51)?;
    let interval = options.get("advert").map_or(Ok(Duration::from_secs(1)), |text| duration(text))?;
    let time = |key: &str, otherwise: Duration| options.get(key).map_or(Ok(otherwise), |text| duration(text));
    let rules = Rules {
        version: version(&options, Version::V3)?,
        priority: option(&options, "priority", 100)?,
        interval,
        preempt: option(&options, "preempt", true)?,
        preempt_delay: time("preempt_delay", Duration::ZERO)?,
        catches_up: option(&options, "catches_up", false)?,
        lease: time("lease", interval * 5 / 2)?,
        own,
        announce_again: time("announce_again", Duration::from_secs(5))?,
        announce_every: time("announce_every", Duration::ZERO)?,
        duplicate_check: time("duplicate_check", Duration::ZERO)?,
        rivals: options.get("rivals").map_or(Ok(Vec::new()), |text| rivals(text))?,
    };
    let inherited = options.get("inherited").map(|text| duration(text)).transpose()?.map(Now);
    let instance = Instance {
        group: vrid.to_string().into(),
        interface: options.get("interface").copied().unwrap_or(INTERFACE).to_owned(),
        vrid,
        rules,
        shape: Shape { password: options.get("password").map(|text| password(text)), pseudo_header: true },
        addresses: addresses(options.get("vips").copied().unwrap_or("10.0.0.100"))?,
        peers: options.get("peers").map_or(Ok(Vec::new()), |text| addresses(text))?,
        key: None,
    };
    Ok((instance, inherited))
}

/// `10.0.0.12/150,10.0.0.13/100`: addresses and priorities.
fn rivals(text: &str) -> Result<Vec<Rival>, String> {
    let rival = |text: &str| {
        let (address, priority) = text.split_once('/')?;
        Some(Rival { addresses: vec![address.parse().ok()?], priority: priority.parse().ok()? })
    };
    text.split(',').map(|text| rival(text).ok_or(format!("rivals={text}"))).collect()
}

fn options<'a>(words: impl Iterator<Item = &'a str>) -> Result<Options<'a>, String> {
    words.map(|word| word.split_once('=').ok_or(format!("{word} is no option"))).collect()
}

fn option<T: std::str::FromStr>(options: &Options<'_>, key: &str, otherwise: T) -> Result<T, String> {
    match options.get(key) {
        Some(text) => text.parse().map_err(|_| format!("{key}={text}")),
        None => Ok(otherwise),
    }
}

fn version(options: &Options<'_>, otherwise: Version) -> Result<Version, String> {
    match options.get("version") {
        Some(&"2") => Ok(Version::V2),
        Some(&"3") => Ok(Version::V3),
        Some(other) => Err(format!("version={other}")),
        None => Ok(otherwise),
    }
}

fn addresses(text: &str) -> Result<Vec<IpAddr>, String> {
    text.split(',').map(|address| address.parse().map_err(|_| format!("{address} is no address"))).collect()
}

fn password(text: &str) -> Password {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    Password(bytes)
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let pairs = hex.as_bytes().chunks(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    pairs.map(byte).collect::<Option<_>>().ok_or(format!("bytes={hex}"))
}

fn all(source: IpAddr) -> IpAddr {
    if source.is_ipv4() { GROUP4.into() } else { GROUP6.into() }
}

/// `2s`, `10ms`, `3609375us`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number = number.parse().map_err(|_| format!("{text} is no time"))?;
    match unit {
        "s" => Ok(Duration::from_secs(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "us" => Ok(Duration::from_micros(number)),
        _ => Err(format!("{text} is no time")),
    }
}

/// In milliseconds, to the last digit that is not 0.
fn time(duration: Duration) -> String {
    let (millis, rest) = (duration.as_millis(), duration.as_nanos() % 1_000_000);
    match format!("{rest:06}").trim_end_matches('0') {
        "" => format!("{millis}ms"),
        digits => format!("{millis}.{digits}ms"),
    }
}
