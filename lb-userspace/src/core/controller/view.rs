//! What the operator is shown of the controller. Counters of packets are the daemon's to fill in, here they are 0; so is how
//! the election stands.

use super::orders::OrderError;
use super::pool::{Member, Pool};
use super::subject::Probing;
use super::{Controller, Slot};
use crate::core::check::Attempt;
use crate::core::config::model::{Backend, CheckKind, Holder};
use crate::core::event::{BackendKey, DrainTarget, Now, ProbeOutcome};
use crate::core::health;
use crate::core::order::Order;
use crate::core::view::{BackendView, BelowView, ServiceView, VipView};

impl Controller {
    /// A snapshot of VIPs and services, in the order of the configuration; empty without one.
    #[must_use]
    pub fn view(&self, now: Now) -> (Vec<VipView>, Vec<ServiceView>) {
        let vips = self.config.iter().flat_map(|config| config.vips.iter().map(move |vip| (config, vip)));
        let vips: Vec<VipView> = vips
            .map(|(config, vip)| VipView {
                name: vip.name.clone(),
                address: vip.address,
                interface: vip.interface.clone(),
                holder: self.holder(config, vip),
                held: self.holds(vip),
                group: match &vip.holder {
                    Holder::Host(_) => None,
                    Holder::Group(name) => Some(name.clone()),
                },
                role: None,
                why: None,
                held_back: false,
            })
            .collect();
        let services = self.pools.iter().filter_map(|pool| {
            let vip = vips.iter().find(|vip| vip.name == pool.service.vip)?;
            Some(self.view_service(vip, pool, now))
        });
        let services = services.collect();
        (vips, services)
    }

    /// What a check would do right now to each backend that is meant.
    ///
    /// # Errors
    /// If nothing has that name.
    pub fn attempts(&self, target: &DrainTarget) -> Result<Vec<(BackendKey, Attempt)>, OrderError> {
        let of = |(i, j): Slot| {
            let member = &self.pools[i].members[j];
            (member.key.clone(), Attempt::clone(&self.subjects[member.subject].attempt))
        };
        Ok(self.find(target)?.into_iter().map(of).collect())
    }

    fn view_service(&self, vip: &VipView, pool: &Pool, now: Now) -> ServiceView {
        let pairs = pool.service.backends.iter().zip(&pool.members).enumerate();
        ServiceView {
            name: pool.service.name.clone(),
            vip: vip.name.clone(),
            address: vip.address,
            port: pool.service.port,
            protocol: pool.service.protocol,
            mode: pool.service.mode,
            backends: pairs
                .map(|(i, (backend, member))| BackendView {
                    share: pool.dealt.share(i),
                    ..self.view_backend(pool, backend, member, now)
                })
                .collect(),
            writer: pool.view_writer(now),
            below: pool.below.then(|| BelowView {
                healthy: pool.healthy(&self.subjects),
                min_healthy: pool.service.min_healthy,
                below_min: pool.service.below_min.name().to_owned(),
            }),
            packets: 0,
            bytes: 0,
            new_flows: 0,
            evicted: 0,
            crowded: 0,
            limited: 0,
        }
    }

    /// A backend, but for its share.
    fn view_backend(&self, pool: &Pool, backend: &Backend, member: &Member, now: Now) -> BackendView {
        let check = &pool.service.check;
        let subject = &self.subjects[member.subject];
        let outcome = subject.last_check.as_ref().map(|(_, outcome)| outcome);
        let local = backend.host == self.host;
        let next_hop = self.neighbours.get(&backend.address.into()).filter(|_| !local);
        let (state, since) = pool.shown(member, &self.subjects);
        BackendView {
            id: member.key.to_string(),
            name: backend.name.clone(),
            service: pool.service.name.clone(),
            host: backend.host.clone(),
            address: backend.address,
            port: backend.port,
            weight: backend.weight,
            weight_now: Some(member.weight_now()).filter(|now| *now != backend.weight),
            ordered: Some(member.order).filter(|order| *order != Order::default()).map(|order| order.to_string()),
            agent: member.agent.map(|agent| self.agents.view(agent, &member.announced, now)),
            state,
            writer: pool.epoch(member),
            health: subject.health.counter(),
            health_top: health::top(check),
            last_check: last_check(&check.kind, outcome),
            check_type: Some(check.type_name().to_owned()),
            check_ms: outcome.map(|outcome| outcome.took.as_secs_f64() * 1000.0),
            checked_s: subject.last_check.as_ref().map(|(at, _)| now.0.saturating_sub(at.0).as_secs_f64()),
            next_check_s: match subject.probing {
                Probing::Due(Now(at)) => Some(at.saturating_sub(now.0).as_secs_f64()),
                Probing::InFlight { .. } | Probing::Never | Probing::Resting => None,
            },
            since_s: now.0.saturating_sub(since.0).as_secs(),
            mac: next_hop.map(|next_hop| next_hop.mac.to_string()),
            interface: next_hop.map(|next_hop| next_hop.interface.clone()),
            local,
            share: 0.0,
            packets: 0,
            bytes: 0,
        }
    }
}

/// What the last check said, in words.
fn last_check(kind: &CheckKind, outcome: Option<&ProbeOutcome>) -> String {
    match (kind, outcome) {
        (CheckKind::None, _) => "no check".to_owned(),
        (_, None) => "not checked yet".to_owned(),
        (_, Some(ProbeOutcome { verdict: Err(reason), .. })) => reason.clone(),
        (_, Some(ProbeOutcome { verdict: Ok(found), took })) => {
            let separator = if found.is_empty() { "" } else { ": " };
            format!("ok in {:.1} ms{separator}{found}", took.as_secs_f64() * 1000.0)
        }
    }
}
