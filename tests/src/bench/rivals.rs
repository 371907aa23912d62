//! Who is measured by [`super::failover`]: three hosts with pivot, or with keepalived, one of which holds the VIP.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use lb_userspace::core::vrrp::advert::Version;

use super::failover::Loss;
use crate::lab::cluster::{HOLDER, SERVICE_PORT};
use crate::lab::keepalived::{Keepalived, Settings};
use crate::lab::realtime;
use crate::lab::{Cluster, Family, Lab, Listen, Node, Process, wait_until};

/// Three hosts of which c1 holds the VIP as long as it can, and c2 after it.
pub trait Rival {
    /// What it is called.
    fn name(&self) -> &'static str;
    /// Its network.
    fn lab(&self) -> &Lab;
    /// Loses c1.
    fn lose(&mut self, loss: Loss) -> Result<()>;
    /// Gives it back.
    fn mend(&mut self, loss: Loss) -> Result<()>;
    /// Waits until it holds the VIP again.
    fn await_first(&self) -> Result<()>;

    /// The client.
    fn client(&self) -> &Node {
        self.lab().node("client")
    }

    /// Where the service is.
    fn vip(&self) -> SocketAddr {
        (Family::V4.vip(), SERVICE_PORT).into()
    }
}

/// pivot.
#[derive(Debug)]
pub struct Pivot(Cluster);

impl Pivot {
    /// Starts it, with adverts this far apart.
    ///
    /// # Errors
    /// If that fails.
    pub fn start(advert: Duration) -> Result<Self> {
        Ok(Self(Cluster::elected(Family::V4, advert)?))
    }
}

impl Rival for Pivot {
    fn name(&self) -> &'static str {
        "pivot"
    }

    fn lab(&self) -> &Lab {
        &self.0.lab
    }

    fn lose(&mut self, loss: Loss) -> Result<()> {
        match loss {
            Loss::Killed => self.0.holder_mut().kill9(),
            Loss::LinkDown => self.0.lab.set_link(HOLDER, false),
            Loss::CleanStop => self.0.holder_mut().stop(),
        }
    }

    fn mend(&mut self, loss: Loss) -> Result<()> {
        match loss {
            Loss::Killed | Loss::CleanStop => self.0.holder_mut().restart(),
            Loss::LinkDown => self.0.lab.set_link(HOLDER, true),
        }
    }

    fn await_first(&self) -> Result<()> {
        self.0.await_holder(HOLDER)?;
        self.0.holder().await_all_up()
    }
}

/// keepalived.
#[derive(Debug)]
pub struct Kept {
    /// On c1, c2 and c3.
    daemons: Vec<Keepalived>,
    _servers: Vec<Process>,
    lab: Lab,
}

impl Kept {
    /// Starts it, with adverts this far apart, and a service on every host.
    ///
    /// # Errors
    /// If that fails.
    pub fn start(advert: Duration) -> Result<Self> {
        let lab = Lab::new()?;
        let serve = |host: &Node| {
            let server = host.serve_http_on(Listen::Wildcard, SERVICE_PORT)?;
            realtime::raise(&server)?;
            Ok(server)
        };
        let servers = lab.hosts().map(serve).collect::<Result<_>>()?;
        let settings = |host: &Node, priority| Settings {
            version: Version::V3,
            vrid: 51,
            interface: host.interface.to_owned(),
            advert,
            priority,
            preempt: true,
            unicast: None,
            password: None,
            vips: vec![Family::V4.vip()],
        };
        // As pivot has them.
        let start = |(host, priority): (&Node, u8)| host.keepalived(settings(host, priority));
        let daemons = lab.hosts().zip([250, 240, 230]).map(start).collect::<Result<_>>()?;
        let kept = Self { daemons, _servers: servers, lab };
        kept.await_first()?;
        Ok(kept)
    }

    fn first(&mut self) -> Result<&mut Keepalived> {
        self.daemons.first_mut().context("a lab without hosts")
    }
}

impl Rival for Kept {
    fn name(&self) -> &'static str {
        "keepalived"
    }

    fn lab(&self) -> &Lab {
        &self.lab
    }

    fn lose(&mut self, loss: Loss) -> Result<()> {
        match loss {
            Loss::Killed => self.first()?.kill9(),
            Loss::LinkDown => self.lab.set_link(HOLDER, false),
            Loss::CleanStop => self.first()?.stop(),
        }
    }

    fn mend(&mut self, loss: Loss) -> Result<()> {
        match loss {
            Loss::Killed => {
                self.first()?.remove_vips()?;
                self.first()?.restart()
            }
            Loss::CleanStop => self.first()?.restart(),
            Loss::LinkDown => self.lab.set_link(HOLDER, true),
        }
    }

    fn await_first(&self) -> Result<()> {
        wait_until(Duration::from_secs(20), "keepalived on c1 alone to hold the VIP", || {
            let answers = self.client().who_answers(self.vip().ip()).map_err(|error| format!("{error:#}"))?;
            let first = BTreeSet::from([self.lab.node(HOLDER).mac]);
            if answers == first { Ok(()) } else { Err(format!("answers of {answers:?}")) }
        })
    }
}
