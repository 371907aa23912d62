//! The controller driven without a kernel: a small configuration, a clock turned by hand, checks answered by a function.

mod agents;
mod checks;
mod chronicle;
mod elections;
mod elsewhere;
mod orders;
mod quorum;
mod refused;
mod reloads;
mod scenario;
mod shared;
mod silence;
mod slow_start;
mod writers;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::{AdoptedBackend, Controller};
use crate::core::agent::words::Heard;
use crate::core::command::{Command, Level, Purpose};
use crate::core::config::Config;
use crate::core::config::model::{
    Backend, Balance, BelowMin, Check, Holder, Host, Mode, OnDown, Protocol, Service, TableSizes, Vip,
};
use crate::core::event::{BackendKey, Event, Mac, NextHop, Now, ProbeOutcome};
use crate::core::plan::{Image, ServiceImage};
use crate::core::view::BackendView;

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));

/// Node address of host `c1`, `c2`, ...
fn node(host: &str) -> IpAddr {
    let number = host.trim_start_matches('c').parse().expect("hosts are c1, c2, ...");
    IpAddr::V4(Ipv4Addr::new(10, 0, 0, number))
}

fn backend(host: &str, port: u16) -> Backend {
    Backend { name: host.to_owned(), host: host.to_owned(), address: node(host), port, weight: 100 }
}

fn service(name: &str, port: u16) -> Service {
    Service {
        name: name.to_owned(),
        vip: "internal".to_owned(),
        port,
        protocol: Protocol::Tcp,
        mode: Mode::L2,
        balance: Balance::Hash,
        idle_timeout: Duration::from_secs(86_400),
        affinity: None,
        agent: None,
        on_down: OnDown::Reset,
        slow_start: Duration::ZERO,
        min_healthy: 1,
        below_min: BelowMin::Reset,
        backends: ["c1", "c2", "c3"].iter().map(|host| backend(host, port + 10_000)).collect(),
        check: Check {
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_millis(500),
            down_interval: Duration::from_secs(3),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
            ..Check::default()
        },
    }
}

/// Three controllers, one VIP held by `c1`, `keystone` on 5000 and `mysql` on 3306.
fn config() -> Config {
    let host = |name: &str| Host { name: name.to_owned(), addresses: vec![node(name)] };
    Config {
        hosts: ["c1", "c2", "c3"].iter().map(|name| host(name)).collect(),
        cluster: None,
        groups: Vec::new(),
        vips: vec![Vip {
            name: "internal".to_owned(),
            address: VIP,
            prefix: 32,
            interface: "eth0".to_owned(),
            label: None,
            holder: Holder::Host("c1".to_owned()),
        }],
        services: vec![service("keystone", 5000), service("mysql", 3306)],
        tables: TableSizes { maglev: 101, ..TableSizes::default() },
    }
}

fn key(name: &str) -> BackendKey {
    let (service, backend) = name.split_once('/').expect("service/backend");
    BackendKey { service: service.to_owned(), backend: backend.to_owned() }
}

fn passed() -> ProbeOutcome {
    ProbeOutcome::passed("", Duration::from_micros(300))
}

fn refused() -> ProbeOutcome {
    ProbeOutcome::failed("connection refused", Duration::from_micros(300))
}

/// A controller, its clock, and what it has said.
struct Rig {
    controller: Controller,
    now: Now,
    /// The last image.
    image: Image,
    logs: Vec<(Level, String)>,
    /// What agents answer, by their addresses; others do not.
    says: BTreeMap<IpAddr, Result<Heard, String>>,
}

impl Rig {
    /// Host `c1` on a fresh start, not configured.
    fn new() -> Self {
        Self::on("c1", Vec::new())
    }

    fn on(host: &str, adopted: Vec<AdoptedBackend>) -> Self {
        let controller = Controller::new(host.to_owned(), adopted, 1);
        Self {
            controller,
            now: Now(Duration::from_secs(100)),
            image: Image::default(),
            logs: Vec::new(),
            says: BTreeMap::new(),
        }
    }

    /// Host `c1`, running [`config`].
    fn running() -> Self {
        let mut rig = Self::new();
        rig.configure(config());
        rig
    }

    fn handle(&mut self, event: Event) -> Vec<Command> {
        let commands = self.controller.handle(event, self.now);
        self.take_in(commands)
    }

    fn configure(&mut self, config: Config) -> Vec<Command> {
        self.handle(Event::Configure(Box::new(config)))
    }

    /// Remembers images and logs; returns the commands.
    fn take_in(&mut self, commands: Vec<Command>) -> Vec<Command> {
        for command in &commands {
            match command {
                Command::Tables(image) => self.image = (**image).clone(),
                Command::Log { level, message } => self.logs.push((*level, message.clone())),
                _ => {}
            }
        }
        commands
    }

    /// Goes on to the next deadline and answers every check that starts, until this time has passed.
    fn run(&mut self, time: Duration, answer: impl Fn(&BackendKey) -> ProbeOutcome) {
        let end = Now(self.now.0 + time);
        while let Some(deadline) = self.controller.deadline().filter(|deadline| *deadline <= end) {
            self.now = self.now.max(deadline);
            let commands = self.handle(Event::Tick);
            for (backend, id) in probes(&commands) {
                let outcome = answer(&backend);
                self.handle(Event::ProbeEnded { id, outcome });
            }
            for (target, id) in asks(&commands) {
                if let Some(answer) = self.says.get(&target.ip()).cloned() {
                    self.handle(Event::AgentAnswered { id, answer });
                }
            }
        }
        self.now = end;
    }

    fn service(&self, name: &str) -> &ServiceImage {
        self.image.services.iter().find(|service| service.name == name).expect("a service of this name")
    }

    /// Names of the backends that own slots of a service's table.
    fn owners(&self, service: &str) -> Vec<String> {
        let service = self.service(service);
        let owns = |position: usize| service.table.iter().any(|owner| usize::from(*owner) == position);
        let backends = service.backends.iter().enumerate();
        backends.filter(|(i, _)| owns(*i)).map(|(_, backend)| backend.key.backend.clone()).collect()
    }

    fn view(&self, name: &str) -> BackendView {
        let (_, services) = self.controller.view(self.now);
        let mut backends = services.into_iter().flat_map(|service| service.backends);
        backends.find(|backend| backend.id == name).expect("a backend of this name")
    }

    fn logged(&self, level: Level, part: &str) -> bool {
        self.logs.iter().any(|(at, message)| *at == level && message.contains(part))
    }
}

/// The checks among the commands.
fn probes(commands: &[Command]) -> Vec<(BackendKey, u64)> {
    let probe = |command: &Command| match command {
        Command::Probe { backend, id, .. } => Some((backend.clone(), *id)),
        _ => None,
    };
    commands.iter().filter_map(probe).collect()
}

/// The questions to agents among the commands.
fn asks(commands: &[Command]) -> Vec<(SocketAddr, u64)> {
    let ask = |command: &Command| match command {
        Command::Ask { id, question } => Some((question.target, *id)),
        _ => None,
    };
    commands.iter().filter_map(ask).collect()
}

/// The commands in short, logs and checks left out: what the order of is at stake.
fn outline(commands: &[Command]) -> Vec<String> {
    let line = |command: &Command| {
        Some(match command {
            Command::Tables(_) => "tables".to_owned(),
            Command::Attach { interface } => format!("attach {interface}"),
            Command::Detach { interface } => format!("detach {interface}"),
            Command::AddAddress { interface, address, prefix, label } => {
                let label = label.as_ref().map(|label| format!(" label {label}")).unwrap_or_default();
                format!("+address {address}/{prefix} {interface}{label}")
            }
            Command::RemoveAddress { interface, address, prefix } => format!("-address {address}/{prefix} {interface}"),
            Command::AddLocalRoute { address } => format!("+route {address}"),
            Command::RemoveLocalRoute { address } => format!("-route {address}"),
            Command::Announce { interface, address, count } => format!("announce {address} {interface} x{count}"),
            Command::Resolve { addressee, purpose: Purpose::Backend } => format!("resolve {addressee}"),
            Command::Resolve { addressee, purpose: Purpose::Controller } => format!("look for {addressee}"),
            Command::Forget { addressee } => format!("forget {addressee}"),
            Command::Probe { .. } | Command::Ask { .. } | Command::Log { .. } => return None,
        })
    };
    commands.iter().filter_map(line).collect()
}

/// Over this interface, to the MAC that ends so.
fn hop(interface: &str, last: u8) -> NextHop {
    NextHop { interface: interface.to_owned(), mac: Mac([2, 0, 0, 0, 0, last]) }
}
