//! A configuration as it was read: every value with its place, and holes where a value was missing or wrong.
//!
//! A hole (`None`) always means that an error has been reported; so a draft without errors has none, and becomes a
//! [`Config`]. Optional values that were wrong are not holes: their default stands in, and the report fails the file.

use std::net::IpAddr;
use std::time::Duration;

use super::balance::BalanceDraft;
use super::cluster::ClusterDraft;
use super::group::GroupDraft;
use super::model::{
    Affinity, Agent, Backend, BelowMin, Check, Config, Holder, Host, Mode, OnDown, Protocol, Service, TableSizes, Vip,
};
use super::report::At;
use super::source::Span;

/// The whole file.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) hosts: Vec<HostDraft>,
    pub(super) groups: Vec<GroupDraft>,
    pub(super) vips: Vec<VipDraft>,
    pub(super) services: Vec<ServiceDraft>,
    pub(super) cluster: Option<ClusterDraft>,
    pub(super) tables: TablesDraft,
    /// Whether every host's name could be read; if not, a reference to an unknown one may be right.
    pub(super) hosts_complete: bool,
    /// The same for groups.
    pub(super) groups_complete: bool,
    /// The same for VIPs.
    pub(super) vips_complete: bool,
    /// The same for services.
    pub(super) services_complete: bool,
}

#[derive(Debug)]
pub(super) struct HostDraft {
    pub(super) name: Option<At<String>>,
    /// At least one; at most one of each family.
    pub(super) addresses: Option<Vec<At<IpAddr>>>,
}

#[derive(Debug)]
pub(super) struct VipDraft {
    pub(super) name: Option<At<String>>,
    pub(super) address: Option<At<IpAddr>>,
    pub(super) prefix: u8,
    pub(super) interface: Option<At<String>>,
    pub(super) label: Option<At<String>>,
    pub(super) holder: Option<HolderDraft>,
}

/// Who holds a VIP, by name.
#[derive(Debug)]
pub(super) enum HolderDraft {
    Host(At<String>),
    Group(At<String>),
}

#[derive(Debug)]
pub(super) struct ServiceDraft {
    /// What errors call it: "service `keystone`".
    pub(super) title: String,
    /// Its header.
    pub(super) span: Span,
    pub(super) name: Option<At<String>>,
    pub(super) vip: Option<At<String>>,
    pub(super) port: Option<At<u16>>,
    pub(super) protocol: Protocol,
    pub(super) mode: Mode,
    pub(super) balance: BalanceDraft,
    pub(super) idle_timeout: Duration,
    pub(super) affinity: Option<Affinity>,
    pub(super) backends: Option<At<Vec<BackendDraft>>>,
    /// What backends have for a port that give none; the service's unless given.
    pub(super) backend_port: Option<At<u16>>,
    pub(super) check: Check,
    pub(super) agent: Option<Agent>,
    pub(super) on_down: OnDown,
    pub(super) slow_start: Duration,
    pub(super) min_healthy: Option<At<u32>>,
    pub(super) below_min: BelowMin,
}

/// A backend; what the file leaves out is filled in, with the place it was taken from.
#[derive(Debug)]
pub(super) struct BackendDraft {
    /// Where it is written; the service's header if it is there by default.
    pub(super) span: Span,
    pub(super) name: Option<At<String>>,
    pub(super) host: Option<At<String>>,
    /// Whether the file gives `address`; if not, it is the host's of the VIP's family.
    pub(super) addressed: bool,
    pub(super) address: Option<At<IpAddr>>,
    pub(super) port: Option<At<u16>>,
    pub(super) weight: u16,
}

/// Table sizes, and where they are written, if they are.
#[derive(Debug, Default)]
pub(super) struct TablesDraft {
    pub(super) sizes: TableSizes,
    pub(super) services: Option<Span>,
    pub(super) backends: Option<Span>,
    pub(super) maglev: Option<Span>,
}

impl Draft {
    /// The configuration, if the draft has no holes.
    pub(super) fn into_config(self) -> Option<Config> {
        let groups = self.groups.iter().map(|group| group.to_group(&self)).collect::<Option<_>>()?;
        let cluster = match self.cluster {
            Some(given) => Some(given.cluster?),
            None => None,
        };
        Some(Config {
            groups,
            cluster,
            hosts: self.hosts.into_iter().map(HostDraft::into_host).collect::<Option<_>>()?,
            vips: self.vips.into_iter().map(VipDraft::into_vip).collect::<Option<_>>()?,
            services: self.services.into_iter().map(ServiceDraft::into_service).collect::<Option<_>>()?,
            tables: self.tables.sizes,
        })
    }
}

impl HostDraft {
    /// The node address of the family of this VIP, as [`Host::address_for`].
    pub(super) fn address_for(&self, vip: IpAddr) -> Option<IpAddr> {
        let addresses = self.addresses.iter().flatten().map(|address| address.value);
        addresses.into_iter().find(|address| address.is_ipv4() == vip.is_ipv4())
    }

    fn into_host(self) -> Option<Host> {
        let addresses = self.addresses?.into_iter().map(|address| address.value).collect();
        Some(Host { name: self.name?.value, addresses })
    }
}

impl VipDraft {
    fn into_vip(self) -> Option<Vip> {
        Some(Vip {
            name: self.name?.value,
            address: self.address?.value,
            prefix: self.prefix,
            interface: self.interface?.value,
            label: self.label.map(|label| label.value),
            holder: match self.holder? {
                HolderDraft::Host(name) => Holder::Host(name.value),
                HolderDraft::Group(name) => Holder::Group(name.value),
            },
        })
    }
}

impl ServiceDraft {
    fn into_service(self) -> Option<Service> {
        Some(Service {
            name: self.name?.value,
            vip: self.vip?.value,
            port: self.port?.value,
            protocol: self.protocol,
            mode: self.mode,
            balance: self.balance.balance,
            idle_timeout: self.idle_timeout,
            affinity: self.affinity,
            backends: self.backends?.value.into_iter().map(BackendDraft::into_backend).collect::<Option<_>>()?,
            check: self.check,
            agent: self.agent,
            on_down: self.on_down,
            // The one that all services have by default.
            slow_start: if self.balance.single.is_some() { Duration::ZERO } else { self.slow_start },
            min_healthy: self.min_healthy.map_or(1, |least| least.value),
            below_min: self.below_min,
        })
    }
}

impl BackendDraft {
    fn into_backend(self) -> Option<Backend> {
        Some(Backend {
            name: self.name?.value,
            host: self.host?.value,
            address: self.address?.value,
            port: self.port?.value,
            weight: self.weight,
        })
    }
}
