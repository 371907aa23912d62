//! A control plane in a lab: four services on each of three controllers, and pivot in front of them.

use std::thread;

use anyhow::{Context as _, Result, anyhow};

use super::galera::Galera;
use super::memcached::Memcached;
use super::nginx::Nginx;
use super::packages;
use super::rabbitmq::RabbitMq;
use super::service::Service;
use crate::lab::{ConfigText, Lab, Node, Pivotd, VIP};

/// Host that holds the VIP.
pub const HOLDER: &str = "c1";

/// Checks as an operator would set them: a stall of a busy machine must not count as a death.
const CHECK: &str = r#"{ interval = "500ms", fast_interval = "250ms", timeout = "2s", rise = 2, fall = 3 }"#;

/// A control plane at work. Its parts end in this order: daemons, services, network.
pub struct Plane {
    /// A pivotd on every controller.
    pub daemons: Vec<Pivotd>,
    /// In the order of the story.
    pub services: Vec<Box<dyn Service>>,
    /// The network.
    pub lab: Lab,
}

impl Plane {
    /// Builds the network and starts the services, all at the same time; returns once each forms its cluster.
    pub fn without_pivot() -> Result<Self> {
        packages::check()?;
        let lab = Lab::new()?;
        let services = start_services(&lab)?;
        Ok(Self { daemons: Vec::new(), services, lab })
    }

    /// Starts pivotd on every controller; returns once the VIP's holder shows all backends up.
    pub fn start_pivot(&mut self) -> Result<()> {
        let hosts: Vec<&str> = self.lab.hosts().map(|host| host.name.as_str()).collect();
        let config = self.services.iter().fold(ConfigText::new(&self.lab, HOLDER), |config, service| {
            config.service(service.name(), service.port(), service.port(), &hosts)
        });
        let mut config = config;
        config.services.iter_mut().for_each(|service| service.check = CHECK.to_owned());
        self.daemons = self.lab.pivotd_everywhere(config)?;
        self.holder()?.await_all_up()
    }

    /// The pivotd of the VIP's holder.
    pub fn holder(&self) -> Result<&Pivotd> {
        let holder = self.daemons.iter().find(|daemon| daemon.host().name == HOLDER);
        holder.with_context(|| format!("no pivotd on {HOLDER}"))
    }

    /// What a person may try by hand on the client's host, one command for each service.
    pub fn requests(&self) -> Vec<String> {
        self.services.iter().map(|service| service.request(VIP)).collect()
    }

    /// The client's host.
    pub fn client(&self) -> &Node {
        self.lab.node("client")
    }
}

fn start_services(lab: &Lab) -> Result<Vec<Box<dyn Service>>> {
    type Start = fn(&Lab) -> Result<Box<dyn Service>>;
    let starts: [(&str, Start); 4] = [
        ("MariaDB Galera", |lab| Ok(Box::new(Galera::start(lab)?))),
        ("RabbitMQ", |lab| Ok(Box::new(RabbitMq::start(lab)?))),
        ("memcached", |lab| Ok(Box::new(Memcached::start(lab)?))),
        ("nginx", |lab| Ok(Box::new(Nginx::start(lab)?))),
    ];
    thread::scope(|scope| {
        let starting = starts.map(|(name, start)| {
            scope.spawn(move || start(lab).with_context(|| format!("starting {name} on every controller")))
        });
        // All are waited for, also if one fails: none may be left starting.
        let started =
            starting.map(|service| service.join().unwrap_or_else(|_| Err(anyhow!("a service's start panicked"))));
        started.into_iter().collect()
    })
}
