//! The TOML tree to a [`Draft`]: the sections of the file.

use toml::Spanned;
use toml::de::DeTable;

use super::draft::{Draft, HolderDraft, HostDraft, VipDraft};
use super::group;
use super::reader::{Entry, Table};
use super::report::{Problem, Report};
use super::service::{self, Defaults};
use super::suggest::{list, nearest, quote};
use super::{cluster, sizes, values};

/// The sections, by their key.
const SECTIONS: [&str; 7] = ["host", "cluster", "group", "vip", "service", "defaults", "tables"];
/// The same as they are written.
const HEADERS: [&str; 7] = ["[[host]]", "[cluster]", "[[group]]", "[[vip]]", "[[service]]", "[defaults]", "[tables]"];

type Document<'a> = Spanned<DeTable<'a>>;

/// What could be read of an array of tables.
struct Items<T> {
    items: Vec<T>,
    /// Whether that is all of it.
    complete: bool,
}

/// Reads every section.
pub(super) fn draft(document: &Document<'_>, report: &mut Report<'_>) -> Draft {
    let misspelt = unknown_sections(document, report);
    let readable = |key: &str, report: &Report<'_>| !misspelt.contains(&key) && !report.is_broken_in(key, &SECTIONS);

    let hosts = each(document, "host", report, host);
    let groups = each(document, "group", report, group::group);
    let vips = each(document, "vip", report, vip);
    let defaults =
        section(document, "defaults").map_or_else(Defaults::default, |entry| service::defaults(entry, report));
    let services = each(document, "service", report, |entry, report| {
        service::service(entry, &hosts.items, &vips.items, &defaults, report)
    });
    let cluster = section(document, "cluster").and_then(|entry| cluster::cluster(entry, report));
    let tables = section(document, "tables").map(|entry| sizes::tables(entry, report)).unwrap_or_default();

    let hosts_complete = hosts.complete && readable("host", report) && hosts.items.iter().all(|h| h.name.is_some());
    let groups_complete = groups.complete && readable("group", report) && groups.items.iter().all(|g| g.name.is_some());
    let vips_complete = vips.complete && readable("vip", report) && vips.items.iter().all(|v| v.name.is_some());
    let services_complete =
        services.complete && readable("service", report) && services.items.iter().all(|s| s.name.is_some());
    if hosts.items.is_empty() && hosts_complete {
        let help = "add a `[[host]]` with its `name` and `address` for every controller";
        report.add(Problem::at(&(0..0), "the file has no [[host]]").help(help));
    }
    let (hosts, groups, vips, services) = (hosts.items, groups.items, vips.items, services.items);
    Draft {
        hosts,
        groups,
        vips,
        services,
        cluster,
        tables,
        hosts_complete,
        groups_complete,
        vips_complete,
        services_complete,
    }
}

fn host(entry: Entry<'_>, report: &mut Report<'_>) -> Option<HostDraft> {
    let table = entry.table(titled("host", entry), &["name", "address"], report)?;
    Some(HostDraft {
        name: table.required("name", "\"c1\"", report).and_then(|e| values::name(e, report)),
        addresses: table.required("address", "\"10.0.0.11\"", report).and_then(|e| values::addresses(e, report)),
    })
}

fn vip(entry: Entry<'_>, report: &mut Report<'_>) -> Option<VipDraft> {
    let keys = ["name", "address", "prefix", "interface", "label", "holder", "group"];
    let table = entry.table(titled("VIP", entry), &keys, report)?;
    let address = table.required("address", "\"10.0.0.100\"", report).and_then(|e| values::address(e, report));
    // The address alone; if that is not known, whatever may be right of some family.
    let longest = address.as_ref().map_or(128, |address| if address.value.is_ipv4() { 32 } else { 128 });
    let prefix = table.optional("prefix").and_then(|e| e.integer(1..=longest, report));
    Some(VipDraft {
        name: table.required("name", "\"internal\"", report).and_then(|e| values::name(e, report)),
        address,
        prefix: prefix.map_or(longest, |prefix| prefix.value),
        interface: table.required("interface", "\"eth0\"", report).and_then(|e| values::interface(e, report)),
        label: table.optional("label").and_then(|e| values::label(e, report)),
        holder: holder(&table, report),
    })
}

/// Who holds a VIP: a host, or whom a group elects.
fn holder(table: &Table<'_>, report: &mut Report<'_>) -> Option<HolderDraft> {
    let Some(group) = table.optional("group") else {
        let host = table.required("holder", "\"c1\"", report)?;
        return values::name(host, report).map(HolderDraft::Host);
    };
    if let Some(host) = table.optional("holder") {
        let message = format!("{} has a `group` and a `holder`", table.owner);
        let problem = Problem::at(&host.span(), message).see(&group.span(), "the group");
        report.add(problem.help("delete one of them: the hosts of a group elect who holds its VIPs"));
        return None;
    }
    values::name(group, report).map(HolderDraft::Group)
}

/// What errors call a table: by its name, if it has one.
pub(super) fn titled(kind: &str, entry: Entry<'_>) -> String {
    entry.peek("name").map_or_else(|| format!("this {kind}"), |name| format!("{kind} {}", quote(name)))
}

/// Reports sections and keys at the top of the file that do not exist; returns those that were probably meant.
fn unknown_sections(document: &Document<'_>, report: &mut Report<'_>) -> Vec<&'static str> {
    let mut misspelt = Vec::new();
    let unknown = document.get_ref().iter().filter(|(key, _)| !SECTIONS.contains(&key.get_ref().as_ref()));
    for (key, value) in unknown {
        let is_section = value.get_ref().is_table() || value.get_ref().is_array();
        let what = if is_section { "section" } else { "key outside of the sections," };
        let meant = nearest(key.get_ref(), SECTIONS).and_then(|meant| SECTIONS.iter().position(|key| *key == meant));
        let help = match meant {
            Some(index) => format!("did you mean `{}`?", HEADERS[index]),
            None => format!("the sections of a file are {}", list(HEADERS)),
        };
        misspelt.extend(meant.map(|index| SECTIONS[index]));
        report.add(Problem::at(&key.span(), format!("unknown {what} {}", quote(key.get_ref()))).help(help));
    }
    misspelt
}

fn section<'a>(document: &'a Document<'_>, key: &'a str) -> Option<Entry<'a>> {
    document.get_ref().get(key).map(|value| Entry::new("the file", key, value))
}

/// Reads every table of an array of tables.
fn each<T>(
    document: &Document<'_>,
    key: &str,
    report: &mut Report<'_>,
    read: impl Fn(Entry<'_>, &mut Report<'_>) -> Option<T>,
) -> Items<T> {
    let Some(entry) = section(document, key) else { return Items { items: Vec::new(), complete: true } };
    let Some(tables) = entry.tables(report) else { return Items { items: Vec::new(), complete: false } };
    let count = tables.len();
    let items: Vec<T> = tables.into_iter().filter_map(|table| read(table, report)).collect();
    let complete = items.len() == count;
    Items { items, complete }
}
