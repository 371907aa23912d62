//! What a file defines, by name and by address: to resolve references, and to say what else could have been meant.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use super::draft::Draft;
use super::report::{At, Problem, Report};
use super::source::Span;
use super::suggest::{list, nearest, quote};

/// Everything that may be referred to, and every address that is taken.
pub(super) struct Defined<'d> {
    pub(super) hosts: Names<'d>,
    pub(super) groups: Names<'d>,
    pub(super) vips: Names<'d>,
    pub(super) services: Names<'d>,
    pub(super) nodes: HashMap<IpAddr, Owner<'d>>,
    pub(super) virtuals: HashMap<IpAddr, Owner<'d>>,
    draft: &'d Draft,
}

/// The names of one kind of thing.
pub(super) struct Names<'d> {
    kind: &'static str,
    header: &'static str,
    /// In the order of the file.
    listed: Vec<&'d str>,
    set: HashSet<&'d str>,
    /// Whether a name that is not here does not exist.
    complete: bool,
}

/// The first that has an address.
pub(super) struct Owner<'d> {
    pub(super) span: &'d Span,
    pub(super) name: Option<&'d At<String>>,
    /// Whether another one has it too.
    pub(super) shared: bool,
}

impl<'d> Defined<'d> {
    pub(super) fn new(draft: &'d Draft) -> Self {
        let hosts = draft.hosts.iter().filter_map(|host| host.name.as_ref());
        let groups = draft.groups.iter().filter_map(|group| group.name.as_ref());
        let vips = draft.vips.iter().filter_map(|vip| vip.name.as_ref());
        let services = draft.services.iter().filter_map(|service| service.name.as_ref());
        let nodes =
            draft.hosts.iter().flat_map(|host| host.addresses.iter().flatten().map(|at| (at, host.name.as_ref())));
        let virtuals = draft.vips.iter().filter_map(|vip| Some((vip.address.as_ref()?, vip.name.as_ref())));
        Self {
            hosts: Names::new("host", "[[host]]", hosts, draft.hosts_complete),
            groups: Names::new("group", "[[group]]", groups, draft.groups_complete),
            vips: Names::new("VIP", "[[vip]]", vips, draft.vips_complete),
            services: Names::new("service", "[[service]]", services, draft.services_complete),
            nodes: by_address(nodes),
            virtuals: by_address(virtuals),
            draft,
        }
    }

    /// The address of the VIP of this name, if both are known.
    pub(super) fn vip(&self, name: &str) -> Option<&'d At<IpAddr>> {
        self.draft.vips.iter().find(|vip| is_called(vip.name.as_ref(), name))?.address.as_ref()
    }

    /// The addresses of the host of this name, if both are known.
    pub(super) fn node(&self, name: &str) -> Option<&'d [At<IpAddr>]> {
        self.draft.hosts.iter().find(|host| is_called(host.name.as_ref(), name))?.addresses.as_deref()
    }
}

/// Whether this name could be read and is that one.
pub(super) fn is_called(given: Option<&At<String>>, name: &str) -> bool {
    given.is_some_and(|given| given.value == name)
}

impl<'d> Names<'d> {
    fn new(
        kind: &'static str,
        header: &'static str,
        names: impl Iterator<Item = &'d At<String>>,
        complete: bool,
    ) -> Self {
        let listed: Vec<&str> = names.map(|name| name.value.as_str()).collect();
        let set = listed.iter().copied().collect();
        Self { kind, header, listed, set, complete }
    }

    /// Whether a name is certainly not defined.
    pub(super) fn lack(&self, name: &str) -> bool {
        self.complete && !self.set.contains(name)
    }

    /// Reports a reference to something that is not defined; `label` is the reference in words.
    pub(super) fn refer(&self, name: &At<String>, label: &str, report: &mut Report<'_>) {
        if self.lack(&name.value) {
            let message = format!("{label} is {}, but there is no such {}", quote(&name.value), self.kind);
            report.add(Problem::at(&name.span, message).help(self.way_out(&name.value)));
        }
    }

    /// What to write instead of a name that is not defined.
    pub(super) fn way_out(&self, name: &str) -> String {
        let names = self.listed.iter().copied();
        match nearest(name, names.clone()) {
            Some(meant) => format!("did you mean {}?", quote(meant)),
            None if self.listed.is_empty() => format!("add a `{}` of that name", self.header),
            None => format!("write one of {}, or add a `{}` of that name", list(names), self.header),
        }
    }
}

/// A host, VIP, service or backend in words.
pub(super) fn called(kind: &str, name: Option<&At<String>>) -> String {
    name.map_or_else(|| format!("a {kind}"), |name| format!("{kind} {}", quote(&name.value)))
}

fn by_address<'d>(
    things: impl Iterator<Item = (&'d At<IpAddr>, Option<&'d At<String>>)>,
) -> HashMap<IpAddr, Owner<'d>> {
    let mut owners = HashMap::new();
    for (At { value, span }, name) in things {
        let owner = Owner { span, name, shared: false };
        owners.entry(*value).and_modify(|owner: &mut Owner<'_>| owner.shared = true).or_insert(owner);
    }
    owners
}
