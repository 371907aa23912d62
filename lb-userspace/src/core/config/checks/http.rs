//! The options of an HTTP check.

use super::super::model::HttpCheck;
use super::super::reader::{Entry, Table};
use super::super::report::{Problem, Report};
use super::super::suggest::quote;
use super::{plain, tls};
use crate::core::check::http::StatusSet;

pub(super) const KEYS: [&str; 6] = ["method", "path", "host", "headers", "expect_status", "expect_body"];

/// Headers that a check makes itself.
const OWN_HEADERS: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];
const LONGEST: usize = 4096;

/// What was given of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    method: Option<String>,
    path: Option<String>,
    host: Option<String>,
    headers: Option<Vec<(String, String)>>,
    expect_status: Option<StatusSet>,
    expect_body: Option<String>,
}

/// Reads them; what is left out is as in `base`.
pub(super) fn read(check: &Table<'_>, base: Settings, report: &mut Report<'_>) -> Settings {
    Settings {
        method: check.optional("method").and_then(|e| method(e, report)).or(base.method),
        path: check.optional("path").and_then(|e| path(e, report)).or(base.path),
        host: check.optional("host").and_then(|e| host(e, report)).or(base.host),
        headers: check.optional("headers").and_then(|e| headers(e, report)).or(base.headers),
        expect_status: check.optional("expect_status").and_then(|e| statuses(e, report)).or(base.expect_status),
        expect_body: check.optional("expect_body").and_then(|e| body(e, report)).or(base.expect_body),
    }
}

fn method(entry: Entry<'_>, report: &mut Report<'_>) -> Option<String> {
    let fits = |text: &str| (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase());
    let fault = |text: &str| (!fits(text)).then(|| format!("is {}, which is no method", quote(text)));
    plain(entry, fault, "write it in capitals, as in `GET`, `HEAD` or `OPTIONS`", report).map(|at| at.value.to_owned())
}

fn path(entry: Entry<'_>, report: &mut Report<'_>) -> Option<String> {
    if entry.is("*") { Some("*".to_owned()) } else { rooted(entry, report) }
}

/// A path that begins with `/`, which may have a query.
pub(in super::super) fn rooted(entry: Entry<'_>, report: &mut Report<'_>) -> Option<String> {
    let fits = |text: &str| {
        text.starts_with('/')
            && text.len() <= LONGEST
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
    };
    let fault = |text: &str| (!fits(text)).then(|| format!("is {}, which is no path of a request", quote(text)));
    let help = "begin it with `/`, and write blanks and what is not ASCII as `%20`";
    plain(entry, fault, help, report).map(|at| at.value.to_owned())
}

/// What a request says for `Host`.
pub(in super::super) fn host(entry: Entry<'_>, report: &mut Report<'_>) -> Option<String> {
    let fits = |text: &str| {
        (1..=LONGEST).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"/#?@".contains(&byte))
    };
    let fault = |text: &str| (!fits(text)).then(|| format!("is {}, which is no host", quote(text)));
    let help = "write a name, with a port if there is one, as in `keystone.example.org`";
    plain(entry, fault, help, report).map(|at| at.value.to_owned())
}

fn headers(entry: Entry<'_>, report: &mut Report<'_>) -> Option<Vec<(String, String)>> {
    let help = "write names and values, as in `{ X-Probe = \"pivot\" }`";
    let mut headers = Vec::new();
    for (name, value) in entry.pairs(help, report)? {
        let text = value.string(report)?;
        let named = format!("header {} of {}", quote(name.value), entry.label());
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let printable = |byte: u8| byte.is_ascii_graphic() || b" \t".contains(&byte);
        let problem = if name.value.is_empty() || !name.value.bytes().all(token) {
            Problem::at(&name.span, format!("{named} is no name of a header")).help(help)
        } else if OWN_HEADERS.contains(&&*name.value.to_ascii_lowercase()) {
            let message = format!("{named} is one that the check makes itself");
            Problem::at(&name.span, message).help("delete it; `host` has a key of its own")
        } else if !text.value.bytes().all(printable) {
            Problem::at(&text.span, format!("{named} is {}, which no header may be", quote(text.value))).help(help)
        } else {
            headers.push((name.value.to_owned(), text.value.to_owned()));
            continue;
        };
        report.add(problem);
        return None;
    }
    headers.sort();
    Some(headers)
}

/// One status code, class or range, or an array of them.
fn statuses(entry: Entry<'_>, report: &mut Report<'_>) -> Option<StatusSet> {
    let items = if entry.is_array() { entry.array(report)? } else { vec![entry] };
    if items.is_empty() {
        let message = format!("{} is empty: no answer would pass", entry.label());
        report.add(Problem::at(&entry.span(), message).help("leave it out to mean 2xx and 3xx"));
        return None;
    }
    let mut ranges = Vec::new();
    for item in items {
        if !item.is_string() {
            let code = item.integer(100..=599u16, report)?.value;
            ranges.push(code..=code);
            continue;
        }
        let text = item.string(report)?;
        let Some(range) = StatusSet::read(text.value) else {
            let message = format!("{} is {}, which is no status code", entry.label(), quote(text.value));
            let help = "write a code, a class or a range: `200`, `\"2xx\"`, `\"200-204\"`; or an array of them";
            report.add(Problem::at(&text.span, message).help(help));
            return None;
        };
        ranges.push(range);
    }
    Some(StatusSet::new(ranges))
}

fn body(entry: Entry<'_>, report: &mut Report<'_>) -> Option<String> {
    let fault = |text: &str| match text.len() {
        0 => Some("is empty: any body would pass".to_owned()),
        long if long > LONGEST => Some(format!("has {long} bytes")),
        _ => None,
    };
    let help = format!("write 1 to {LONGEST} bytes that the body of a healthy answer contains, or leave it out");
    plain(entry, fault, &help, report).map(|at| at.value.to_owned())
}

impl Settings {
    /// The name in `host`, if it is one: what a certificate would be for.
    pub(super) fn server_name(&self) -> Option<String> {
        let host = self.host.as_deref()?;
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        tls::is_name(name).then(|| name.to_owned())
    }

    pub(super) fn into_check(self) -> HttpCheck {
        HttpCheck {
            method: self.method.unwrap_or_else(|| "GET".to_owned()),
            path: self.path.unwrap_or_else(|| "/".to_owned()),
            host: self.host,
            headers: self.headers.unwrap_or_default(),
            expect_status: self.expect_status.unwrap_or_default(),
            expect_body: self.expect_body,
        }
    }
}
