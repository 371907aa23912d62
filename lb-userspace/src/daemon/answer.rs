//! The API's questions: the controller's view, with the counters of the kernel tables.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::join_all;

use super::Daemon;
use super::election::Elections;
use crate::api::error::ApiError;
use crate::api::request::{Answer, Request};
use crate::api::wire::CHECK_TIME;
use crate::core::check::{Attempt, Step};
use crate::core::controller::{Ordered, SwitchError};
use crate::core::event::BackendKey;
use crate::core::event::DrainTarget;
use crate::core::explain::Question;
use crate::core::order::Change;
use crate::core::view::{
    BackendView, CheckStepView, CheckView, CheckedView, EventView, ExplainView, InterfaceView, OrderView, OrderedView,
    ServiceView, Status, SwitchView, VerdictView, VipView,
};
use crate::io::check::{Checked, Prober};
use crate::io::datapath::attach::XdpKind;
use crate::io::datapath::flows;
use crate::io::datapath::inspect::{self, DumpError};
use crate::tables::explain::{self, Place};
use lb_common::path::verdict::Verdict;

impl Daemon {
    /// Answers one question. Whoever asked may have gone away: that is their affair.
    pub(super) async fn answer(&mut self, question: Request) {
        match question {
            Request::Status(answer) => drop(answer.send(Ok(self.status()))),
            Request::Services(answer) => drop(answer.send(Ok(self.views().1))),
            Request::Backends(answer) => drop(answer.send(Ok(self.backends()))),
            Request::Events { limit, service, answer } => drop(answer.send(self.events(limit, service.as_deref()))),
            Request::Flows { limit, service, answer } => drop(answer.send(self.flows(limit, service.as_deref()))),
            Request::Explain { question, answer } => drop(answer.send(self.explain(&question))),
            Request::Maps(answer) => {
                let maps = inspect::maps(&self.executor.datapath);
                drop(answer.send(maps.map_err(|error| ApiError::internal(error.to_string()))));
            }
            Request::MapDump { name, limit, answer } => {
                let entries = inspect::dump(&self.executor.datapath, &name, limit);
                drop(answer.send(entries.map_err(|error| match error {
                    DumpError::Unknown(_) => ApiError::not_found(error.to_string()),
                    DumpError::Opaque { .. } => ApiError::invalid(error.to_string()),
                })));
            }
            Request::Check { target, answer } => self.check(&target, answer),
            Request::Order { target, change, answer } => drop(answer.send(self.order(&target, change).await)),
            Request::Switch { backend, answer } => drop(answer.send(self.switch(&backend).await)),
            Request::Vips(answer) => drop(answer.send(self.vips().await)),
            Request::Failover { name, to, answer } => self.fail_over(name.as_deref(), to, answer).await,
            Request::Hold { name, hold, answer } => self.hold(name.as_deref(), hold, answer).await,
            Request::Reload(answer) => {
                let result = self.reload().await;
                if let Ok(view) = &result {
                    view.changes.iter().for_each(|change| tracing::info!("reloaded: {change}"));
                }
                drop(answer.send(result));
            }
        }
    }

    fn status(&self) -> Status {
        let (vips, services) = self.views();
        let memory = self.executor.datapath.writer().memory();
        let mut verdicts: Vec<VerdictView> = Verdict::ALL
            .iter()
            .map(|verdict| VerdictView {
                verdict: verdict.name().to_owned(),
                packets: memory.verdict_packets(*verdict),
            })
            .filter(|view| view.packets > 0)
            .collect();
        verdicts.sort_by_key(|view| std::cmp::Reverse(view.packets));
        Status {
            host: self.host.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: self.began.elapsed().as_secs(),
            config: self.options.config.display().to_string(),
            adopted: self.adopted,
            interfaces: self.interfaces(),
            vips,
            services,
            flow_tables: self.fill.tables(),
            sync: self.sync_view(),
            checks: self.executor.prober.figures(),
            log: self.loss.view(self.now()),
            verdicts,
        }
    }

    fn interfaces(&self) -> Vec<InterfaceView> {
        let interfaces = self.executor.datapath.interfaces().values();
        interfaces
            .map(|interface| InterfaceView {
                name: interface.link.name.clone(),
                index: interface.link.index,
                mac: interface.link.mac.to_string(),
                xdp: match interface.xdp {
                    XdpKind::Native => "native".to_owned(),
                    XdpKind::Generic => "generic".to_owned(),
                },
            })
            .collect()
    }

    /// VIPs and services, with how the election stands and the counters of this host.
    fn views(&self) -> (Vec<VipView>, Vec<ServiceView>) {
        let (mut vips, mut services) = self.controller.view(self.now());
        self.add_standing(&mut vips);
        let writer = self.executor.datapath.writer();
        for service in &mut services {
            let endpoint = (service.address, service.port, service.protocol);
            let Some(index) = writer.service_index(&endpoint) else { continue };
            let totals = writer.service_totals(index);
            (service.packets, service.bytes, service.new_flows) = (totals.packets, totals.bytes, totals.chosen);
            (service.evicted, service.crowded, service.limited) = (totals.evicted, totals.crowded, totals.limited);
            for backend in &mut service.backends {
                let bound = SocketAddr::new(backend.address, backend.port);
                let Some(index) = writer.backend_index(index, bound) else { continue };
                let totals = writer.memory().backend_totals(index);
                (backend.packets, backend.bytes) = (totals.packets(), totals.bytes);
            }
        }
        (vips, services)
    }

    fn backends(&self) -> Vec<BackendView> {
        self.views().1.into_iter().flat_map(|service| service.backends).collect()
    }

    fn events(&self, limit: usize, service: Option<&str>) -> Result<Vec<EventView>, ApiError> {
        let mut events = self.controller.events(service, limit, self.now());
        if let Some(service) = service
            && events.is_empty()
            && self.controller.healthy(service).is_none()
        {
            return Err(ApiError::not_found(format!("no service {service:?}: `pivot services` lists them")));
        }
        // A clock before 1970 is nobody's.
        let date = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        events.iter_mut().for_each(|event| event.date_ms = date.saturating_sub(event.ago_ms));
        Ok(events)
    }

    fn flows(&self, limit: usize, service: Option<&str>) -> Result<Vec<crate::core::view::FlowView>, ApiError> {
        if let Some(service) = service
            && !self.views().1.iter().any(|view| view.name == service)
        {
            return Err(ApiError::not_found(format!("no service {service:?}: `pivot services` lists them")));
        }
        Ok(flows::flows(&self.executor.datapath, limit, service))
    }

    fn explain(&self, question: &Question) -> Result<ExplainView, ApiError> {
        let (vips, _) = self.controller.view(self.now());
        let vip = vips.iter().find(|vip| vip.address == question.destination.ip());
        let interfaces = self.executor.datapath.interfaces();
        // What is no VIP comes in anywhere.
        let interface = match vip {
            Some(vip) => interfaces.get(&vip.interface),
            None => interfaces.values().next(),
        };
        let link = interface.map(|interface| &interface.link).ok_or_else(|| {
            let missing = vip.map_or("no interface carries", |_| "the VIP's interface does not carry");
            ApiError::conflict(format!("{missing} pivot's programs, so no packet meets them: see `pivot status`"))
        })?;
        let writer = self.executor.datapath.writer();
        let place = Place {
            interface: &link.name,
            index: link.index,
            holder: vip.and_then(|vip| vip.holder.as_deref()),
            now: self.elections.as_ref().map_or_else(|| writer.clock().jiffies(), Elections::jiffies),
        };
        Ok(explain::explain(writer, question, place))
    }

    /// Checks backends beside everything else.
    fn check(&self, target: &DrainTarget, answer: Answer<CheckView>) {
        let attempts = match self.controller.attempts(target) {
            Ok(attempts) => attempts,
            Err(error) => return drop(answer.send(Err(ApiError::not_found(error.to_string())))),
        };
        let prober = self.executor.prober.clone();
        tokio::spawn(async move {
            let backends = join_all(attempts.into_iter().map(|named| checked(&prober, named))).await;
            drop(answer.send(Ok(CheckView { backends })));
        });
    }

    /// Gives an order, once it is remembered.
    async fn order(&mut self, target: &DrainTarget, change: Change) -> Result<OrderView, ApiError> {
        let mut candidate = self.controller.clone();
        let ordered = candidate.order(target, change, self.now());
        let (meant, commands) = ordered.map_err(|error| ApiError::not_found(error.to_string()))?;
        self.orders.write(&candidate.orders()).map_err(|error| ApiError::internal(error.to_string()))?;
        self.controller = candidate;
        self.executor.execute_all(commands).await;
        self.judge();
        self.notice_flows();
        let after = self.backends();
        let view = |(key, changed): Ordered| {
            let id = key.to_string();
            let BackendView { state, weight, weight_now, ref agent, .. } =
                *after.iter().find(|backend| backend.id == id)?;
            let agent = agent.as_ref().and_then(|agent| agent.in_force.clone());
            Some(OrderedView { id, state, weight, weight_now, agent, changed })
        };
        Ok(OrderView { backends: meant.into_iter().filter_map(view).collect() })
    }
}

impl Daemon {
    async fn switch(&mut self, backend: &BackendKey) -> Result<SwitchView, ApiError> {
        let (changed, commands) = self.controller.switch(backend, self.now()).map_err(not_switched)?;
        self.executor.execute_all(commands).await;
        self.notice_flows();
        let services = self.views().1;
        let writer = services.into_iter().find(|service| service.name == backend.service).and_then(|it| it.writer);
        let writer = writer.ok_or_else(|| ApiError::internal("the service has no writer"))?;
        Ok(SwitchView { service: backend.service.clone(), writer, changed })
    }
}

fn not_switched(error: SwitchError) -> ApiError {
    let message = error.to_string();
    match error {
        SwitchError::Unknown(_) => ApiError::not_found(message),
        SwitchError::NotSingle { .. } | SwitchError::NotHolder { .. } | SwitchError::Unfit { .. } => {
            ApiError::conflict(message)
        }
    }
}

/// Checks a backend, and tells what was said.
async fn checked(prober: &Prober, (backend, attempt): (BackendKey, Attempt)) -> CheckedView {
    let attempt = Attempt { timeout: attempt.timeout.min(CHECK_TIME), ..attempt };
    let Checked { outcome, steps } = prober.run(&attempt, &backend).await;
    let millis = |duration: Duration| duration.as_secs_f64() * 1000.0;
    let passed = outcome.has_passed();
    CheckedView {
        id: backend.to_string(),
        check_type: attempt.type_name().to_owned(),
        target: attempt.target.to_string(),
        passed,
        says: outcome.verdict.unwrap_or_else(|why| why),
        took_ms: millis(outcome.took),
        steps: steps.into_iter().map(|Step { at, says }| CheckStepView { at_ms: millis(at), says }).collect(),
    }
}
