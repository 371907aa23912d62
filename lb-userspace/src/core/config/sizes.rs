//! `[tables]`: the sizes of the kernel tables, and whether the configuration fits into them.

use super::draft::{Draft, TablesDraft};
use super::model::TableSizes;
use super::reader::Entry;
use super::report::{At, Problem, Report};
use super::source::Span;
use super::suggest::quote;

const KEYS: [&str; 5] = ["services", "backends", "flows", "new_flows", "maglev"];
/// Keys of earlier versions, and what to do instead.
const GONE: [(&str, &str); 1] =
    [("flow_cache", "remove it: there is one flow table now, for all CPUs, and `flows` is its size")];
const SERVICES_MAX: u32 = 16_384;
const BACKENDS_MAX: u32 = 65_535;
/// More than any CPU can do: as good as no limit.
const NEW_FLOWS_MAX: u32 = 100_000_000;
const MAGLEV_MIN: u32 = 251;
const MAGLEV_MAX: u32 = 65_537;
/// Fewest slots of a Maglev table per backend: shares are then even within one percent.
const SLOTS_PER_BACKEND: usize = 100;

/// Reads `[tables]`.
pub(super) fn tables(entry: Entry<'_>, report: &mut Report<'_>) -> TablesDraft {
    let mut draft = TablesDraft::default();
    let Some(table) = entry.table_once_with("[tables]".into(), &KEYS, &GONE, report) else { return draft };
    let sizes = &mut draft.sizes;
    let read = |key, low, high, report: &mut Report<'_>, size: &mut u32| {
        let at = table.optional(key).and_then(|e| e.integer(low..=high, report))?;
        *size = at.value;
        Some(at)
    };
    draft.services = read("services", 1, SERVICES_MAX, report, &mut sizes.services).map(|at| at.span);
    draft.backends = read("backends", 1, BACKENDS_MAX, report, &mut sizes.backends).map(|at| at.span);
    let flows = read("flows", 1 << 10, 1 << 26, report, &mut sizes.flows);
    read("new_flows", 0, NEW_FLOWS_MAX, report, &mut sizes.new_flows);
    let maglev = read("maglev", MAGLEV_MIN, MAGLEV_MAX, report, &mut sizes.maglev);

    if let Some(At { value, span }) = flows.filter(|at| !at.value.is_power_of_two()) {
        let message = format!("`flows` of [tables] is {}, which is not a power of two", quote(&value.to_string()));
        report.add(Problem::at(&span, message).help(format!("write {}", value.next_power_of_two())));
    }
    draft.maglev = maglev.as_ref().map(|at| at.span.clone());
    if let Some(At { value, span }) = maglev.filter(|at| !is_prime(at.value)) {
        let message = format!("`maglev` of [tables] is {}, which is not a prime", quote(&value.to_string()));
        report.add(Problem::at(&span, message).help(format!("write {}", next_prime(value))));
    }
    draft
}

/// Checks that services and backends fit into the tables.
pub(super) fn check(draft: &Draft, report: &mut Report<'_>) {
    let TableSizes { services, backends, maglev, .. } = draft.tables.sizes;

    let needed = draft.services.len() + draft.vips.len();
    if needed > services as usize {
        let first_too_many = draft.services.get((services as usize).saturating_sub(draft.vips.len()));
        let place = draft.tables.services.clone().or_else(|| first_too_many.map(|service| service.span.clone()));
        let message = format!(
            "the file has {} services and {} VIPs, each of which takes a service table entry; there are {services}",
            draft.services.len(),
            draft.vips.len(),
        );
        report.add(Problem::at(&place.unwrap_or(0..0), message).help(raise("services", needed, SERVICES_MAX)));
    }

    let mut needed = 0;
    let mut first_too_many: Option<Span> = None;
    for service in &draft.services {
        let Some(list) = &service.backends else { continue };
        needed += list.value.len();
        if needed > backends as usize && first_too_many.is_none() {
            first_too_many = Some(list.span.clone());
        }
        check_maglev(&service.title, list.value.len(), &list.span, draft.tables.maglev.as_ref(), maglev, report);
    }
    if let Some(service) = first_too_many {
        let place = draft.tables.backends.clone().unwrap_or(service);
        let message = format!(
            "the services have {needed} backends together, each of which takes a backend table entry; there are {backends}"
        );
        report.add(Problem::at(&place, message).help(raise("backends", needed, BACKENDS_MAX)));
    }
}

/// One service's backends against the size of its Maglev table.
fn check_maglev(title: &str, count: usize, list: &Span, given: Option<&Span>, size: u32, report: &mut Report<'_>) {
    let needed = count * SLOTS_PER_BACKEND;
    if needed <= size as usize {
        return;
    }
    let message = format!(
        "{title} has {count} backends, which need {needed} Maglev slots ({SLOTS_PER_BACKEND} each); there are {size}"
    );
    let problem = match u32::try_from(needed).ok().filter(|needed| *needed <= MAGLEV_MAX).map(next_prime) {
        Some(prime) => Problem::at(given.unwrap_or(list), message)
            .help(format!("raise `maglev` in [tables] to a prime of at least {prime}")),
        None => {
            let most = MAGLEV_MAX as usize / SLOTS_PER_BACKEND;
            Problem::at(list, message)
                .help(format!("a service can have at most {most} backends, with `maglev` = {MAGLEV_MAX}"))
        }
    };
    report.add(if let Some(given) = given { problem.see(given, "the size is given here") } else { problem });
}

fn raise(key: &str, needed: usize, most: u32) -> String {
    if needed <= most as usize {
        format!("raise `{key}` in [tables] to at least {needed}")
    } else {
        format!("`{key}` in [tables] can be raised to {most} at most: spread the services over several clusters")
    }
}

/// Trial division: table sizes are below 2^17.
fn is_prime(number: u32) -> bool {
    number >= 2
        && (2..).take_while(|divisor| divisor * divisor <= number).all(|divisor| !number.is_multiple_of(divisor))
}

/// The least prime that is not smaller.
fn next_prime(number: u32) -> u32 {
    (number..).find(|candidate| is_prime(*candidate)).unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_told_from_other_numbers() {
        for prime in [2, 3, 251, 4093, 16_381, 65_537] {
            assert!(is_prime(prime), "{prime}");
        }
        for other in [0, 1, 4, 255, 4096, 65_535, 65_536] {
            assert!(!is_prime(other), "{other}");
        }
        assert_eq!(next_prime(65_533), 65_537);
        assert_eq!(next_prime(251), 251);
    }
}
