//! The API's questions: the controller's view, with the counters of the kernel tables.

use std::net::SocketAddr;

use super::Daemon;
use crate::api::error::ApiError;
use crate::api::request::Request;
use crate::core::event::DrainTarget;
use crate::core::view::{
    BackendView, DrainView, DrainedView, InterfaceView, ServiceView, Status, VerdictView, VipView,
};
use crate::io::datapath::attach::XdpKind;
use crate::io::datapath::inspect::{self, DumpError};
use lb_common::path::verdict::Verdict;

impl Daemon {
    /// Answers one question. Whoever asked may have gone away: that is their affair.
    pub(super) async fn answer(&mut self, question: Request) {
        match question {
            Request::Status(answer) => drop(answer.send(Ok(self.status()))),
            Request::Services(answer) => drop(answer.send(Ok(self.views().1))),
            Request::Backends(answer) => drop(answer.send(Ok(self.backends()))),
            Request::Flows { limit, service, answer } => drop(answer.send(self.flows(limit, service.as_deref()))),
            Request::Maps(answer) => {
                let maps = inspect::maps(&self.executor.datapath);
                drop(answer.send(maps.map_err(|error| ApiError::internal(error.to_string()))));
            }
            Request::MapDump { name, limit, answer } => {
                let entries = inspect::dump(&self.executor.datapath, &name, limit);
                drop(answer.send(entries.map_err(|error| match error {
                    DumpError::Unknown(_) => ApiError::not_found(error.to_string()),
                    DumpError::Sockets => ApiError::invalid(error.to_string()),
                })));
            }
            Request::Drain { target, drain, answer } => drop(answer.send(self.drain(&target, drain).await)),
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

    /// VIPs and services, with the counters of this host.
    fn views(&self) -> (Vec<VipView>, Vec<ServiceView>) {
        let (vips, mut services) = self.controller.view(self.now());
        let writer = self.executor.datapath.writer();
        for service in &mut services {
            let endpoint = (service.address, service.port, service.protocol);
            let Some(index) = writer.service_index(&endpoint) else { continue };
            let [packets, bytes, chosen, _] = writer.memory().service_totals(index);
            (service.packets, service.bytes, service.new_flows) = (packets, bytes, chosen);
            for backend in &mut service.backends {
                let bound = SocketAddr::new(backend.address, backend.port);
                let Some(index) = writer.backend_index(index, bound) else { continue };
                let [packets, bytes, ..] = writer.memory().backend_totals(index);
                (backend.packets, backend.bytes) = (packets, bytes);
            }
        }
        (vips, services)
    }

    fn backends(&self) -> Vec<BackendView> {
        self.views().1.into_iter().flat_map(|service| service.backends).collect()
    }

    fn flows(&self, limit: usize, service: Option<&str>) -> Result<Vec<crate::core::view::FlowView>, ApiError> {
        if let Some(service) = service
            && !self.views().1.iter().any(|view| view.name == service)
        {
            return Err(ApiError::not_found(format!("no service {service:?}: `pivot services` lists them")));
        }
        Ok(inspect::flows(&self.executor.datapath, limit, service))
    }

    async fn drain(&mut self, target: &DrainTarget, drain: bool) -> Result<DrainView, ApiError> {
        let before = self.backends();
        let (meant, commands) =
            self.controller.drain(target, drain, self.now()).map_err(|error| ApiError::not_found(error.to_string()))?;
        self.executor.execute_all(commands).await;
        let after = self.backends();
        let backends = meant
            .iter()
            .filter_map(|key| {
                let id = key.to_string();
                let state = after.iter().find(|backend| backend.id == id)?.state;
                let changed = before.iter().find(|backend| backend.id == id).is_none_or(|b| b.state != state);
                Some(DrainedView { id, state, changed })
            })
            .collect();
        Ok(DrainView { backends })
    }
}
