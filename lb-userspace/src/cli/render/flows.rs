//! `pivot flows`.

use crate::core::view::FlowView;

use super::super::human;
use super::super::text::{Paint, Table, numbers, words};
use super::state;

/// One line per flow, and how many; `limit` is how many were asked for.
pub fn flows(flows: &[FlowView], limit: usize, paint: Paint) -> String {
    let mut table = Table::new(
        0,
        &[words("SERVICE"), words("CLIENT"), words("BACKEND"), words("STATE"), words("STAGE"), numbers("EXPIRES IN")],
    );
    for flow in flows {
        table.row([
            (&flow.service).into(),
            human::endpoint(flow.client, flow.client_port).into(),
            (&flow.backend).into(),
            state(flow.state),
            (&flow.stage).into(),
            human::duration(flow.expires_s).into(),
        ]);
    }
    table.line(String::new());
    table.line(super::maps::tally(flows.len(), limit, "flow"));
    table.render(paint)
}
