//! The usual cluster: a lab, an HTTP service on every controller, one pivotd on each, all of them balancing the VIP.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::Result;
use lb_userspace::core::view::BackendState;

use super::config::ConfigText;
use super::family::Family;
use super::load::Load;
use super::node::Node;
use super::pivotd::Pivotd;
use super::process::Process;
use super::topology::{Lab, Topology};
use super::wait::wait_until;

/// Port of the service on the VIP.
pub const SERVICE_PORT: u16 = 80;

/// Port that the service is bound to on the node addresses.
pub const BACKEND_PORT: u16 = 8080;

/// Host that holds the VIP.
pub const HOLDER: &str = "c1";

/// A cluster at work. Its parts end in this order: daemons, services, network.
#[derive(Debug)]
pub struct Cluster {
    /// pivotd by host.
    pub daemons: BTreeMap<String, Pivotd>,
    /// HTTP services by host.
    pub servers: BTreeMap<String, Process>,
    /// The network.
    pub lab: Lab,
    /// Family of the VIP that [`Cluster::vip`] names.
    pub family: Family,
}

impl Cluster {
    /// Three controllers, each with the service `web`; returns once the holder shows every backend up.
    pub fn web() -> Result<Self> {
        Self::build(Topology::default(), |config| config)
    }

    /// The same with a VIP of this family.
    pub fn web_in(family: Family) -> Result<Self> {
        Self::build_in(family, Topology::default(), |config| config)
    }

    /// The same on another topology or with another configuration than [`web_config`].
    pub fn build(topology: Topology, configure: impl FnOnce(ConfigText) -> ConfigText) -> Result<Self> {
        Self::build_in(Family::V4, topology, configure)
    }

    /// The same with a VIP of this family.
    pub fn build_in(
        family: Family,
        topology: Topology,
        configure: impl FnOnce(ConfigText) -> ConfigText,
    ) -> Result<Self> {
        let lab = Lab::build(topology)?;
        let config = configure(web_config_in(&lab, family));
        Self::start(lab, config, |host| host.serve_http(BACKEND_PORT))
    }

    /// Starts another service than the usual one on every controller of a lab, and pivotd with this configuration.
    pub fn start(lab: Lab, config: ConfigText, serve: impl Fn(&Node) -> Result<Process>) -> Result<Self> {
        let family = config.family;
        let serve = |host: &Node| Ok((host.name.clone(), serve(host)?));
        let servers = lab.hosts().map(serve).collect::<Result<_>>()?;
        let daemons = lab.pivotd_everywhere(config)?;
        let daemons = daemons.into_iter().map(|daemon| (daemon.host().name.clone(), daemon)).collect();
        let cluster = Self { daemons, servers, lab, family };
        cluster.holder().await_all_up()?;
        Ok(cluster)
    }

    /// The pivotd on the host that holds the VIP.
    pub fn holder(&self) -> &Pivotd {
        &self.daemons[HOLDER]
    }

    /// The same, to stop or kill it.
    pub fn holder_mut(&mut self) -> &mut Pivotd {
        self.daemon_mut(HOLDER)
    }

    /// The pivotd of a host. Panics if there is none: that is a mistake in the test.
    pub fn daemon_mut(&mut self, host: &str) -> &mut Pivotd {
        self.daemons.get_mut(host).unwrap_or_else(|| panic!("no pivotd on {host}"))
    }

    /// Hosts that say that they hold every VIP.
    pub fn holders(&self) -> Vec<&str> {
        let holds = |host: &&String| {
            let status = self.daemons[*host].status();
            status.is_ok_and(|status| status.vips.iter().all(|vip| vip.held))
        };
        self.daemons.keys().filter(holds).map(String::as_str).collect()
    }

    /// Waits until this host says that it holds every VIP, and all others whose pivotd runs that they hold none.
    pub fn await_holder(&self, host: &str) -> Result<()> {
        wait_until(Duration::from_secs(20), &format!("{host} alone to hold the VIPs"), || {
            let mut holders = Vec::new();
            for (name, daemon) in &self.daemons {
                let vips = match daemon.status() {
                    Ok(status) => status.vips,
                    Err(error) if daemon.listens() => return Err(format!("{name}: {error:#}")),
                    Err(_) => continue,
                };
                match vips.iter().filter(|vip| vip.held).count() {
                    0 => {}
                    all if all == vips.len() => holders.push(name.clone()),
                    some => holders.push(format!("{name} ({some} of {})", vips.len())),
                }
            }
            if holders == [host] { Ok(()) } else { Err(format!("{holders:?}")) }
        })
    }

    /// The client.
    pub fn client(&self) -> &Node {
        self.lab.node("client")
    }

    /// Where clients find the service.
    pub fn vip(&self) -> SocketAddr {
        (self.family.vip(), SERVICE_PORT).into()
    }

    /// A gentle load from the client on the VIP.
    pub fn gentle_load(&self) -> Load {
        Load::gently_to(self.vip())
    }

    /// The address of the client that services of this cluster see.
    pub fn client_address(&self) -> IpAddr {
        self.client().address_in(self.family)
    }

    /// Kills the service of a host (SIGKILL); its health is for pivot to find out.
    pub fn kill_server(&mut self, host: &str) -> Result<()> {
        match self.servers.remove(host) {
            Some(mut server) => server.kill(),
            None => Ok(()),
        }
    }

    /// Starts the service of a host again, and waits until the holder shows it up.
    pub fn restart_server(&mut self, host: &str) -> Result<()> {
        let server = self.lab.node(host).serve_http(BACKEND_PORT)?;
        self.servers.insert(host.to_owned(), server);
        self.holder().await_state(host, BackendState::Up)
    }
}

/// The service `web` on every controller of the lab, on the VIP of IPv4.
pub fn web_config(lab: &Lab) -> ConfigText {
    web_config_in(lab, Family::V4)
}

/// The same on the VIP of a family.
pub fn web_config_in(lab: &Lab, family: Family) -> ConfigText {
    let hosts: Vec<&str> = lab.hosts().map(|host| host.name.as_str()).collect();
    ConfigText::new(lab, HOLDER).of(family).service("web", SERVICE_PORT, BACKEND_PORT, &hosts)
}
