//! `pivot status`: the page that is read first. What is wrong comes before what is.

use std::fmt::Write;

use crate::core::view::{FlowTableView, InterfaceView, ServiceView, Status, VerdictView, VipView};

use super::super::human;
use super::super::text::{Cell, Paint, Table, Tone, numbers, printable, words};
use super::super::warning::{Severity, standing, warnings};
use super::sync::sync;
use super::vips::{holder, role};
use super::{endpoint, health, mode, protocol, state, writer};

/// The whole page.
pub fn status(status: &Status, paint: Paint) -> String {
    let mut page = head(status, paint);
    page += &warning_lines(status, paint);
    let sections = [
        ("VIPS", vips(&status.vips, paint)),
        ("INTERFACES", interfaces(&status.interfaces, paint)),
        ("SERVICES", services(&status.services, paint)),
        ("FLOW TABLE", flow_tables(&status.flow_tables, paint)),
        ("FLOW SYNCHRONISATION", sync(status.sync.as_ref(), paint)),
        ("PACKETS BY VERDICT", verdicts(&status.verdicts, paint)),
    ];
    for (title, body) in sections {
        let body = if body.is_empty() { "  none\n".to_owned() } else { body };
        let _ = write!(page, "\n{}\n{body}", paint.apply(Tone::Heading, title));
    }
    page
}

fn head(status: &Status, paint: Paint) -> String {
    let host = paint.apply(Tone::Heading, &printable(&status.host));
    let (version, pid) = (printable(&status.version), status.pid);
    let up = human::duration(status.uptime_s);
    let adopted = if status.adopted { ", took over the running tables" } else { "" };
    format!("{host}  pivotd {version}, pid {pid}, up {up}{adopted}\nconfig {}\n", printable(&status.config))
}

fn warning_lines(status: &Status, paint: Paint) -> String {
    let mut lines = String::new();
    for warning in warnings(status) {
        let word = match warning.severity {
            Severity::Critical => paint.apply(Tone::Bad, "CRITICAL"),
            Severity::Warning => paint.apply(Tone::Notable, "WARNING "),
        };
        let _ = write!(lines, "\n{word}  {}", printable(&warning.text));
    }
    if lines.is_empty() {
        return format!("\n{}  nothing to warn of\n", paint.apply(Tone::Good, "OK"));
    }
    lines + "\n"
}

fn vips(vips: &[VipView], paint: Paint) -> String {
    if vips.is_empty() {
        return String::new();
    }
    let columns =
        [words("NAME"), words("ADDRESS"), words("INTERFACE"), words("HELD BY"), words("GROUP"), words("THIS HOST")];
    let mut table = Table::new(2, &columns);
    for vip in vips {
        table.row([
            (&vip.name).into(),
            vip.address.to_string().into(),
            (&vip.interface).into(),
            holder(vip.holder.as_deref(), vip.held),
            vip.group.as_deref().unwrap_or("-").into(),
            vip.role.map_or("-".into(), |it| role(it, vip.held_back)),
        ]);
    }
    table.render(paint)
}

fn interfaces(interfaces: &[InterfaceView], paint: Paint) -> String {
    if interfaces.is_empty() {
        return String::new();
    }
    let mut table = Table::new(2, &[words("NAME"), numbers("INDEX"), words("MAC"), words("XDP")]);
    for interface in interfaces {
        // Generic XDP works, at a fraction of the speed.
        let tone = if interface.xdp == "native" { Tone::Plain } else { Tone::Notable };
        let xdp = Cell::new(tone, &interface.xdp);
        table.row([(&interface.name).into(), interface.index.to_string().into(), (&interface.mac).into(), xdp]);
    }
    table.render(paint)
}

fn services(services: &[ServiceView], paint: Paint) -> String {
    if services.is_empty() {
        return String::new();
    }
    let mut table = Table::new(
        4,
        &[
            words("BACKEND"),
            words("ADDRESS"),
            words("STATE"),
            numbers("HEALTH"),
            numbers("SINCE"),
            numbers("SHARE"),
            numbers("PACKETS"),
            numbers("BYTES"),
            words("LAST CHECK"),
        ],
    );
    for service in services {
        table.line(service_line(service, paint));
        if let Some(one) = &service.writer {
            table.line(format!("    {}", writer(one)));
        }
        for backend in &service.backends {
            table.row([
                (&backend.name).into(),
                endpoint(backend).into(),
                state(backend.state),
                health(backend),
                human::duration(backend.since_s).into(),
                human::share(backend.share).into(),
                human::count(backend.packets).into(),
                human::bytes(backend.bytes).into(),
                (&backend.last_check).into(),
            ]);
        }
    }
    table.render(paint)
}

/// The service itself, above its backends.
fn service_line(service: &ServiceView, paint: Paint) -> String {
    let name = paint.apply(Tone::Heading, &printable(&service.name));
    let at = human::endpoint(service.address, service.port);
    let (protocol, mode) = (protocol(service.protocol), mode(service.mode));
    let (packets, bytes) = (human::count(service.packets), human::bytes(service.bytes));
    let (standing, new) = (standing(service), human::count(service.new_flows));
    format!("  {name}  {at}/{protocol}  {mode}  {standing}, {packets} packets, {bytes}, {new} new flows")
}

fn flow_tables(tables: &[FlowTableView], paint: Paint) -> String {
    if tables.is_empty() {
        return "  not looked through yet\n".to_owned();
    }
    let columns =
        [words("FAMILY"), numbers("USED"), numbers("ROOM"), numbers("NEW"), numbers("ESTABLISHED"), numbers("ENDING")];
    let mut page = Table::new(2, &columns);
    for table in tables {
        let tone = if table.warning().is_some() { Tone::Bad } else { Tone::Plain };
        page.row([
            (&table.family).into(),
            Cell::new(tone, human::share(table.percent / 100.0)),
            human::count(table.room).into(),
            human::count(table.new).into(),
            human::count(table.established).into(),
            human::count(table.ending).into(),
        ]);
    }
    page.render(paint)
}

fn verdicts(verdicts: &[VerdictView], paint: Paint) -> String {
    if verdicts.is_empty() {
        return String::new();
    }
    let mut table = Table::new(2, &[words("VERDICT"), numbers("PACKETS")]);
    for verdict in verdicts {
        table.row([(&verdict.verdict).into(), human::count(verdict.packets).into()]);
    }
    table.render(paint)
}
