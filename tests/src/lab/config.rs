//! pivotd's configuration for a lab, as text: its VIPs, their services, all controllers of the lab as hosts.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::family::{Family, Segment};
use super::node::Node;
use super::patience::patient;
use super::topology::Lab;

/// A configuration under construction; its `Display` is the TOML.
#[derive(Debug, Clone)]
pub struct ConfigText {
    hosts: Vec<Node>,
    /// Family of the VIP of services that are added. Hosts have addresses of all families that services have.
    pub family: Family,
    /// Host that holds the VIPs, unless one is elected.
    pub holder: String,
    /// Lines of the group that elects who holds them.
    pub elected: Option<String>,
    /// Interface that carries the VIPs.
    pub interface: String,
    /// Segment of the hosts' addresses.
    pub segment: Segment,
    /// Services on the VIPs.
    pub services: Vec<ServiceText>,
    /// Lines below `[tables]`.
    pub tables: String,
}

/// One `[[service]]`.
#[derive(Debug, Clone)]
pub struct ServiceText {
    /// Its name.
    pub name: String,
    /// Family of its VIP.
    pub family: Family,
    /// Port on the VIP.
    pub port: u16,
    /// Port that its backends are bound to.
    pub backend_port: u16,
    /// Hosts that it runs on.
    pub backends: Vec<String>,
    /// Segment of the addresses that they are reached at.
    pub segment: Segment,
    /// Value of `check`: an inline table.
    pub check: String,
    /// Further lines: `protocol`, `affinity`, `idle_timeout`.
    pub more: String,
}

/// Checks fast enough for a test to wait for: on a usual machine, a dead backend is down within half a second.
fn fast_check() -> String {
    let [interval, fast, down, timeout] = [200, 100, 500, 300].map(|ms| patient(Duration::from_millis(ms)).as_millis());
    format!(
        "{{ interval = \"{interval}ms\", fast_interval = \"{fast}ms\", down_interval = \"{down}ms\", \
         timeout = \"{timeout}ms\", rise = 2, fall = 2 }}"
    )
}

/// What controllers that elect sign their messages by.
const CLUSTER_KEY: &str = "only for namespaces of the lab";

impl ConfigText {
    /// All controllers of the lab, the VIP 10.77.0.100 held by `holder`, no service yet.
    pub fn new(lab: &Lab, holder: &str) -> Self {
        Self {
            hosts: lab.hosts().cloned().collect(),
            family: Family::V4,
            holder: holder.to_owned(),
            elected: None,
            interface: lab.node(holder).interface.to_owned(),
            segment: Segment::First,
            services: Vec::new(),
            tables: String::new(),
        }
    }

    /// Has the hosts elect who holds the VIPs, by these lines of their group.
    #[must_use]
    pub fn elected(self, lines: &str) -> Self {
        Self { elected: Some(lines.to_owned()), ..self }
    }

    /// Has the hosts, and backends that are named by them, at their addresses on a segment.
    #[must_use]
    pub fn hosts_on(self, segment: Segment) -> Self {
        Self { segment, ..self }
    }

    /// From now on services are on the VIP of this family.
    #[must_use]
    pub fn of(self, family: Family) -> Self {
        Self { family, ..self }
    }

    /// Adds a service that runs on `backends`, checked often.
    #[must_use]
    pub fn service(mut self, name: &str, port: u16, backend_port: u16, backends: &[&str]) -> Self {
        self.services.push(ServiceText {
            name: name.to_owned(),
            family: self.family,
            port,
            backend_port,
            backends: backends.iter().map(|&host| host.to_owned()).collect(),
            segment: Segment::First,
            check: fast_check(),
            more: String::new(),
        });
        self
    }

    /// The same of UDP, unchecked: it binds the VIP's port.
    #[must_use]
    pub fn udp_service(mut self, name: &str, port: u16, backends: &[&str]) -> Self {
        self = self.service(name, port, port, backends).with("protocol = \"udp\"");
        if let Some(service) = self.services.last_mut() {
            service.check = "{ type = \"none\" }".to_owned();
        }
        self
    }

    /// Adds a line to the service that was added last.
    #[must_use]
    pub fn with(mut self, line: &str) -> Self {
        if let Some(service) = self.services.last_mut() {
            service.more += &format!("{line}\n");
        }
        self
    }

    /// Has the backends of the service that was added last reached at their addresses on a segment.
    #[must_use]
    pub fn reached_on(mut self, segment: Segment) -> Self {
        if let Some(service) = self.services.last_mut() {
            service.segment = segment;
        }
        self
    }

    /// Adds a line to `[tables]`.
    #[must_use]
    pub fn table(mut self, line: &str) -> Self {
        self.tables += &format!("{line}\n");
        self
    }

    fn families(&self) -> impl Iterator<Item = Family> {
        let used =
            |family: &Family| *family == self.family || self.services.iter().any(|service| service.family == *family);
        Family::ALL.into_iter().filter(used)
    }

    /// Backends by the hosts' names, or by their addresses where they are not the hosts'.
    fn backends(&self, service: &ServiceText) -> String {
        let backend = |name: &String| match self.hosts.iter().find(|host| host.name == *name) {
            Some(host) if service.segment != Segment::First => {
                format!("{{ host = {name:?}, address = \"{}\" }}", host.address_on(service.segment, service.family))
            }
            _ => format!("{name:?}"),
        };
        let backends: Vec<String> = service.backends.iter().map(backend).collect();
        format!("[{}]", backends.join(", "))
    }
}

impl fmt::Display for ConfigText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for host in &self.hosts {
            let addresses: Vec<IpAddr> = self.families().map(|family| host.address_on(self.segment, family)).collect();
            writeln!(f, "[[host]]\nname = {:?}\naddress = {}\n", host.name, one_or_list(&addresses))?;
        }
        if !self.tables.is_empty() {
            writeln!(f, "[tables]\n{}", self.tables)?;
        }
        let Self { interface, holder, elected, .. } = self;
        let held = match elected {
            Some(lines) => {
                let heartbeat = patient(Duration::from_millis(100)).as_millis();
                writeln!(f, "[cluster]\nkey = \"{CLUSTER_KEY}\"\nheartbeat = \"{heartbeat}ms\"\n")?;
                writeln!(f, "[[group]]\nname = \"control\"\nid = 51\n{lines}\n")?;
                "group = \"control\"".to_owned()
            }
            None => format!("holder = {holder:?}"),
        };
        for family in self.families() {
            let (name, address) = (vip_name(family), family.vip());
            writeln!(f, "[[vip]]\nname = {name:?}\naddress = \"{address}\"\ninterface = {interface:?}\n{held}")?;
        }
        for service in &self.services {
            let ServiceText { name, family, port, backend_port, check, more, .. } = service;
            let (vip, backends) = (vip_name(*family), self.backends(service));
            write!(f, "\n[[service]]\nname = {name:?}\nvip = {vip:?}\nport = {port}\n")?;
            if backend_port != port {
                writeln!(f, "backend_port = {backend_port}")?;
            }
            write!(f, "check = {check}\nbackends = {backends}\n{more}")?;
        }
        Ok(())
    }
}

/// Name of the VIP of a family.
fn vip_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "internal",
        Family::V6 => "internal6",
    }
}

/// One address as a string, several as a list of them.
fn one_or_list(addresses: &[IpAddr]) -> String {
    let quoted: Vec<String> = addresses.iter().map(|address| format!("\"{address}\"")).collect();
    match &quoted[..] {
        [one] => one.clone(),
        several => format!("[{}]", several.join(", ")),
    }
}
