//! Services with too few healthy backends: `min_healthy`, and what becomes of new flows below it.
//!
//! Of a service with one writer, that is the one that gets flows or does not; no other one ever does.
//!
//! What must hold: an order of the operator, or of an agent, counts also then; nothing that is drained or in maintenance gets flows for want of
//! others.

use super::pool::Pool;
use super::subject::Subjects;
use crate::core::command::{Command, Level};
use crate::core::config::model::{BelowMin, Protocol};
use crate::core::order::Order;

/// How a service stood before something happened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Before {
    pub(super) took_flows: bool,
    below: bool,
}

impl Pool {
    /// How it stands.
    pub(super) fn stands(&self) -> Before {
        Before { took_flows: self.takes_flows(), below: self.below }
    }

    /// How many of its backends are healthy, drained or not.
    pub(super) fn healthy(&self, subjects: &Subjects) -> usize {
        self.members.iter().filter(|member| member.is_healthy(subjects)).count()
    }

    /// Decides which of the members take new flows. Those that do while there are enough healthy ones are remembered.
    pub(super) fn choose(&mut self, subjects: &Subjects) {
        self.below = self.healthy(subjects) < self.service.min_healthy as usize;
        for member in &mut self.members {
            let (is_writer, is_other) = match &self.single {
                Some(single) => (single.is_writer(member), !single.is_writer(member)),
                None => (false, false),
            };
            let fit = member.state(subjects).takes_flows() && !is_other;
            if !self.below {
                member.in_use = fit;
            }
            let Order { drained, maintenance, .. } = member.in_force();
            let kept = (is_writer || member.in_use && !is_other) && !drained && !maintenance;
            member.takes = match (self.below, self.service.below_min) {
                (false, _) => fit,
                (true, BelowMin::Reset) => false,
                (true, BelowMin::Keep) => fit || kept,
            };
        }
    }

    /// What is to be said if it has come below its minimum, or is not below it any more. That the last backend of a service
    /// without a minimum is gone, is said elsewhere.
    pub(super) fn judged(&self, before: Before, subjects: &Subjects) -> Option<Command> {
        let service = &self.service;
        let (name, least, healthy) = (&service.name, service.min_healthy, self.healthy(subjects));
        let backends = if healthy == 1 { "1 healthy backend" } else { &format!("{healthy} healthy backends") };
        let flows = match service.protocol {
            Protocol::Tcp => "connections",
            Protocol::Udp => "flows",
        };
        let (level, message) = match (before.below, self.below, service.below_min) {
            (false, true, BelowMin::Keep) => (
                Level::Error,
                format!(
                    "service {name} has {backends}, fewer than min_healthy = {least}: those that were in use get new {flows} \
                     as before, down or not (below_min = \"keep\")"
                ),
            ),
            (false, true, BelowMin::Reset) if healthy > 0 => (
                Level::Error,
                format!(
                    "service {name} has {backends}, fewer than min_healthy = {least}: new {flows} are refused until there are \
                     enough (below_min = \"reset\")"
                ),
            ),
            (true, false, below_min) if least > 1 || below_min == BelowMin::Keep => {
                (Level::Info, format!("service {name} has {backends} and is not below its minimum any more"))
            }
            _ => return None,
        };
        Some(Command::Log { level, message })
    }
}
