//! The groups of the configuration and the election's thread: who it is to speak for on this host, as interfaces come, change
//! and go and its operator wants.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Daemon;
use super::election::Elections;
use super::election::seat::{self, Seat};
use super::error::DaemonError;
use crate::core::config::Config;
use crate::core::config::model::Group;
use crate::io::netlink::NetlinkError;
use crate::io::sequence;

/// Why a host takes no part if its operator says so.
const HELD_BACK: &str = "held back by its operator";

impl Daemon {
    /// Tells the election of the groups as they are configured, and of this host as it is. What it knows already changes
    /// nothing.
    ///
    /// # Errors
    /// [`DaemonError`] if there is no thread for it.
    pub(super) async fn seat(&mut self) -> Result<(), DaemonError> {
        let Some(config) = self.controller.config().cloned() else { return Ok(()) };
        if config.groups.is_empty() && self.elections.is_none() {
            return Ok(());
        }
        if self.elections.is_none() {
            let (memory, sequence) = (self.executor.datapath.writer().memory(), self.sequence());
            let elections = Elections::start(memory, &self.host, sequence);
            self.elections = Some(elections.map_err(|source| DaemonError::Election { source })?);
        }
        let (mut seats, mut own) = (Vec::new(), BTreeMap::new());
        for group in &config.groups {
            let fit = match self.seat_of(&config, group).await {
                Ok(seat) => {
                    let fit = if seat.link.up { Ok(()) } else { Err(format!("{} has no carrier", seat.link.name)) };
                    seats.push(seat);
                    fit
                }
                Err(why) => {
                    // It keeps the seat that it had, and gives up what it held.
                    seats.extend(self.seats.iter().find(|seat| *seat.instance.group == *group.name).cloned());
                    Err(why)
                }
            };
            let fit = if self.holds.has(&group.name) { Err(HELD_BACK.to_owned()) } else { fit };
            own.insert(group.name.clone(), fit);
        }
        self.tracking.take_own(own);
        self.tracking.follow(&config, &self.host, &self.executor.netlink).await;
        self.hooks.keep(&config);
        let Some(elections) = &self.elections else { return Ok(()) };
        if seats != self.seats {
            elections.seat(seats.clone());
            self.seats = seats;
            // Those that begin anew have heard of nothing.
            self.tracking.judge_anew();
        }
        self.judge();
        Ok(())
    }

    /// Behind which sequence this run's sealed messages begin.
    fn sequence(&self) -> u64 {
        // A clock before 1970 is nobody's.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        sequence::begin(&self.options.state_root, &self.options.instance, now).unwrap_or_else(|error| {
            tracing::warn!(
                "where sealed messages begin cannot be remembered, and if the clock is set back, others ignore them after a restart: \
                 {error}"
            );
            now
        })
    }

    async fn seat_of(&self, config: &Config, group: &Group) -> Result<Seat, String> {
        let says = |error: NetlinkError| error.to_string();
        let netlink = &self.executor.netlink;
        let link = netlink.link(&group.interface).await.map_err(says)?;
        let family = config.vips_of(group).next().map(|vip| vip.address);
        let node = config.hosts.iter().find(|host| host.name == self.host);
        let node = family.and_then(|family| node?.address_for(family));
        let own = match family {
            Some(IpAddr::V6(_)) if !group.unicast => {
                netlink.link_local(link.index).await.map_err(says)?.map(IpAddr::V6)
            }
            _ => node,
        };
        let own = own.ok_or_else(|| format!("{} has no address to speak from", link.name))?;
        let mut vips = Vec::new();
        for vip in config.vips_of(group) {
            let carrier = netlink.link(&vip.interface).await.map_err(says)?;
            let index = self.executor.datapath.writer().vip_index(vip.address);
            vips.push((vip.address, index.ok_or_else(|| format!("VIP {} is not in the tables", vip.name))?, carrier));
        }
        let instance = seat::instance(config, group, &self.host, own).ok_or("this host is not configured")?;
        Ok(Seat { instance, link, vips, hosts: seat::hosts(config) })
    }
}
