//! pivotd's configuration for a lab, as text: one VIP, its services, all controllers of the lab as hosts.

use std::fmt;
use std::net::Ipv4Addr;

use super::VIP;
use super::node::INTERFACE;
use super::topology::Lab;

/// A configuration under construction; its `Display` is the TOML.
#[derive(Debug, Clone)]
pub struct ConfigText {
    hosts: Vec<(String, Ipv4Addr)>,
    /// Host that holds the VIP.
    pub holder: String,
    /// Interface that carries the VIP.
    pub interface: String,
    /// Services on the VIP.
    pub services: Vec<ServiceText>,
}

/// One `[[service]]`.
#[derive(Debug, Clone)]
pub struct ServiceText {
    /// Its name.
    pub name: String,
    /// Port on the VIP.
    pub port: u16,
    /// Port that its backends are bound to.
    pub backend_port: u16,
    /// Hosts that it runs on.
    pub backends: Vec<String>,
    /// Value of `check`: an inline table.
    pub check: String,
}

/// Checks fast enough for a test to wait for: a dead backend is down within half a second.
const FAST_CHECK: &str = r#"{ interval = "200ms", fast_interval = "100ms", down_interval = "500ms", timeout = "300ms", rise = 2, fall = 2 }"#;

impl ConfigText {
    /// All controllers of the lab, the VIP 10.77.0.100 held by `holder`, no service yet.
    pub fn new(lab: &Lab, holder: &str) -> Self {
        Self {
            hosts: lab.hosts().map(|host| (host.name.clone(), host.address)).collect(),
            holder: holder.to_owned(),
            interface: INTERFACE.to_owned(),
            services: Vec::new(),
        }
    }

    /// Adds a service that runs on `backends`, checked often.
    #[must_use]
    pub fn service(mut self, name: &str, port: u16, backend_port: u16, backends: &[&str]) -> Self {
        self.services.push(ServiceText {
            name: name.to_owned(),
            port,
            backend_port,
            backends: backends.iter().map(|&host| host.to_owned()).collect(),
            check: FAST_CHECK.to_owned(),
        });
        self
    }
}

impl fmt::Display for ConfigText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, address) in &self.hosts {
            writeln!(f, "[[host]]\nname = {name:?}\naddress = \"{address}\"\n")?;
        }
        let Self { interface, holder, .. } = self;
        writeln!(
            f,
            "[[vip]]\nname = \"internal\"\naddress = \"{VIP}\"\ninterface = {interface:?}\nholder = {holder:?}"
        )?;
        self.services.iter().try_for_each(|service| service.fmt(f))
    }
}

impl fmt::Display for ServiceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, port, backend_port, backends, check } = self;
        write!(
            f,
            "\n[[service]]\nname = {name:?}\nvip = \"internal\"\nport = {port}\nbackend_port = {backend_port}\n"
        )?;
        writeln!(f, "check = {check}\nbackends = {backends:?}")
    }
}
