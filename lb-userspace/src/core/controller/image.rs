//! From what the controller knows to what the kernel tables are to hold.
//!
//! Out: a [`Command::Tables`] with the whole image, but only if it differs from the last one. Tables of services that have
//! not changed are shared with it, not copied.

use super::Controller;
use super::pool::{Member, Pool};
use crate::core::command::Command;
use crate::core::config::Config;
use crate::core::config::model::Backend;
use crate::core::plan::{BackendImage, Image, ServiceImage, VipImage};

impl Controller {
    /// The command that brings the kernel tables up to date, if they are not, and what is to be told of writers.
    pub(super) fn publish(&mut self) -> Vec<Command> {
        let Some(image) = self.config.as_ref().map(|config| self.draw(config)) else { return Vec::new() };
        let mut commands = Vec::new();
        if self.image.as_ref() != Some(&image) {
            self.image = Some(image.clone());
            commands.push(Command::Tables(Box::new(image)));
        }
        commands.extend(self.tell_of_writers());
        commands
    }

    fn draw(&self, config: &Config) -> Image {
        let vip = |vip: &crate::core::config::model::Vip| {
            let holder = self.way_to_holder(config, vip);
            VipImage {
                name: vip.name.clone(),
                address: vip.address,
                interface: vip.interface.clone(),
                hold: self.hold(vip),
                speaker: holder.as_ref().and_then(|_| self.speaker(config, vip)),
                holder,
            }
        };
        Image {
            vips: config.vips.iter().map(vip).collect(),
            services: self.pools.iter().map(|pool| self.draw_service(pool)).collect(),
            controllers: self.controllers(config),
        }
    }

    fn draw_service(&self, pool: &Pool) -> ServiceImage {
        let service = &pool.service;
        let pairs = service.backends.iter().zip(&pool.members);
        ServiceImage {
            name: service.name.clone(),
            vip: service.vip.clone(),
            port: service.port,
            protocol: service.protocol,
            idle_timeout: service.idle_timeout,
            affinity: service.affinity,
            on_down: service.on_down,
            backends: pairs.map(|(backend, member)| self.draw_backend(pool, backend, member)).collect(),
            single: pool.single.is_some(),
            table: pool.dealt.table.clone(),
        }
    }

    fn draw_backend(&self, pool: &Pool, backend: &Backend, member: &Member) -> BackendImage {
        let local = backend.host == self.host;
        BackendImage {
            key: member.key.clone(),
            address: backend.address,
            port: backend.port,
            mode: pool.service.mode,
            local,
            state: pool.sent(member, &self.subjects),
            drained: member.order.drained,
            next_hop: if local { None } else { self.neighbours.get(&backend.address.into()).cloned() },
        }
    }
}
