//! `tls` of a check.

use std::path::PathBuf;

use super::super::model::Tls;
use super::super::reader::Entry;
use super::super::report::Report;
use super::super::suggest::quote;
use super::super::values;
use super::plain;

pub(in super::super) const KEYS: [&str; 3] = ["ca", "sni", "verify"];
/// Longest name of a host (RFC 1035, section 2.3.4).
const NAME_MAX: usize = 253;

/// What was given of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    ca: Option<PathBuf>,
    sni: Option<String>,
    verify: Option<bool>,
}

/// Reads it; what it leaves out is as in `base`.
pub(super) fn read(entry: Entry<'_>, base: Settings, report: &mut Report<'_>) -> Settings {
    let Some(table) = entry.table(entry.label(), &KEYS, report) else { return base };
    let verify = table.optional("verify").and_then(|e| e.boolean(report)).or(base.verify);
    if verify == Some(false) {
        table.refuse(&["ca"], "with `verify = false` any certificate is taken; delete one of them", report);
    }
    Settings {
        ca: table.optional("ca").and_then(|e| values::path(e, report)).or(base.ca),
        sni: table.optional("sni").and_then(|e| name(e, report)).or(base.sni),
        verify,
    }
}

/// The name of a host, as certificates have it.
fn name(entry: Entry<'_>, report: &mut Report<'_>) -> Option<String> {
    let help =
        "write a name, as in `keystone.example.org`; without `sni`, the certificate must be for the backend's address";
    let fault = |text: &str| match text {
        "" => Some("is empty".to_owned()),
        name if !is_name(name) => Some(format!("is {}, which is no name of a host", quote(name))),
        _ => None,
    };
    plain(entry, fault, help, report).map(|name| name.value.to_owned())
}

/// Whether it can be the name of a host, and no address.
pub(super) fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= NAME_MAX && text.split('.').all(label) && text.parse::<std::net::IpAddr>().is_err()
}

impl Settings {
    pub(super) fn into_tls(self) -> Tls {
        Tls { ca: self.ca, sni: self.sni, insecure: self.verify == Some(false) }
    }
}
