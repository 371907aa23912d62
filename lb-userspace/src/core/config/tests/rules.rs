//! Values that are wrong together.

use std::fmt::Write;

use super::{EXAMPLE, assert_error, edited, errors, messages, valid};

#[test]
fn a_file_without_hosts_is_an_error() {
    for text in ["", "\n\n", "# nothing\n", "[tables]\nflows = 65536\n"] {
        let error = errors(text).errors.remove(0);
        assert_eq!((error.line, error.column), (1, 1));
        assert_eq!(error.message, "the file has no [[host]]");
        assert_eq!(errors(text).errors.len(), 1);
    }
}

#[test]
fn names_are_given_once() {
    let text = edited("name = \"c2\"", "name = \"c1\"").replace("\"c1\", \"c2\"", "\"c1\"");
    let error = assert_error(&text, "\"c1\"", "two hosts are called `c1`", "another name");
    assert_eq!((error.line, error.related[0].line), (5, 2));
    let text = edited("name = \"horizon\"", "name = \"glance\"");
    let error = assert_error(&text, "\"glance\"", "two services are called `glance`", "another name");
    assert_eq!((error.line, error.related[0].line), (34, 28));
    let vip = "[[vip]]\nname = \"internal\"\naddress = \"10.0.0.101\"\ninterface = \"eth0\"\nholder = \"c1\"\n[tables]";
    let error =
        assert_error(&edited("[tables]", vip), "\"internal\"", "two VIPs are called `internal`", "another name");
    assert_eq!(error.related[0].line, 12);
}

#[test]
fn addresses_are_given_once() {
    let text = edited("10.0.0.12", "10.0.0.11");
    let error = assert_error(&text, "\"10.0.0.11\"", "two hosts have the address 10.0.0.11", "another address");
    assert_eq!((error.line, error.related[0].line), (6, 3));
    let vip = "[[vip]]\nname = \"b\"\naddress = \"10.0.0.100\"\ninterface = \"eth0\"\nholder = \"c1\"\n[tables]";
    let text = edited("[tables]", vip);
    assert_error(&text, "\"10.0.0.100\"", "two VIPs have the address 10.0.0.100", "another address");
}

#[test]
fn a_vip_is_no_node_address() {
    let error = assert_error(
        &edited("10.0.0.100", "10.0.0.13"),
        "\"10.0.0.13\"",
        "VIP `internal` has the address 10.0.0.13, which is the node address of host `c3`",
        "no host has",
    );
    assert_eq!(error.related[0].line, 9);
}

#[test]
fn a_vip_and_port_belong_to_one_service() {
    let error = assert_error(
        &edited("port = 443", "port = 5000"),
        "5000",
        "service `keystone` and service `horizon` both have tcp port 5000 of VIP `internal`",
        "another port or another VIP",
    );
    assert_eq!((error.line, error.related[0].line), (36, 23));
    assert_eq!(error.related[0].message, "service `keystone` has it here");
}

#[test]
fn references_resolve() {
    let text = edited("holder = \"c1\"", "holder = \"c9\"");
    let message = "`holder` of VIP `internal` is `c9`, but there is no such host";
    assert_error(&text, "\"c9\"", message, "write one of `c1`, `c2`, `c3`, or add a `[[host]]`");
    let text = edited("vip = \"internal\"", "vip = \"intern\"");
    let message = "`vip` of service `keystone` is `intern`, but there is no such VIP";
    assert_error(&text, "\"intern\"", message, "did you mean `internal`?");
}

#[test]
fn a_backend_outside_every_mode_is_told_which_it_would_need() {
    let text = edited("backends = [\"c1\", \"c2\"]", "backends = [\"c1\", \"web7\"]");
    let message = "backend `web7` of service `horizon` is on `web7`, which is no [[host]]";
    let error = assert_error(&text, "\"web7\"", message, "mode l2 needs pivotd on the backend's host");
    let help = error.help.unwrap_or_default();
    assert!(help.contains("`c1`, `c2`, `c3`") && help.contains("mode nat") && help.contains("not available"), "{help}");

    let text = edited("host = \"c3\"", "host = \"far\"");
    let message = "backend `spare` of service `glance` is on `far`, which is no [[host]]";
    assert_error(&text, "\"far\"", message, "mode l2 needs pivotd");
}

#[test]
fn a_backend_is_bound_to_an_address_of_its_own_host() {
    let text = edited("10.0.1.13", "10.0.0.100");
    let message = "backend `spare` of service `glance` has the address 10.0.0.100, which is that of VIP `internal`";
    assert_error(&text, "\"10.0.0.100\"", message, "bound to on its host");
    let text = edited("10.0.1.13", "10.0.0.12");
    let message = "backend `spare` of service `glance` has the address 10.0.0.12, which is the node address of host `c2`, not of `c3`";
    assert_error(&text, "\"10.0.0.12\"", message, "correct `host` or `address`");
    valid(&edited("10.0.1.13", "10.0.0.13"));
}

#[test]
fn a_service_has_backends_that_take_flows() {
    let text = edited("[\"c1\", \"c2\"]", "[]");
    assert_error(&text, "[]", "service `horizon` has no backends", "every host");
    let list = "[{ host = \"c1\", weight = 0 }, { host = \"c2\", weight = 0 }]";
    let message = "every backend of service `horizon` has weight 0: it would take no new flows";
    assert_error(&edited("[\"c1\", \"c2\"]", list), list, message, "weight of 1 to 256");
}

#[test]
fn backends_of_a_service_are_told_apart() {
    let message = "two backends of service `horizon` are on host `c1` with port 8080";
    let error = assert_error(&edited("[\"c1\", \"c2\"]", "[\"c1\", \"c1\"]"), "\"c1\"", message, "keep one of them");
    assert_eq!((error.column, error.related[0].column), (19, 13));
    let second = "{ host = \"c1\", name = \"x\", address = \"10.0.2.1\" }";
    assert_error(&edited("[\"c1\", \"c2\"]", &format!("[\"c1\", {second}]")), second, message, "keep one of them");
    let text = edited("[\"c1\", \"c2\"]", "[\"c1\", { host = \"c1\", port = 1 }]");
    assert_error(&text, "\"c1\"", "two backends of service `horizon` are called `c1`", "another `name`");
}

#[test]
fn what_does_not_fit_names_the_size_to_raise() {
    let text = edited("flows = 65536", "services = 3");
    let message = "the file has 3 services and 1 VIPs, each of which takes a service table entry; there are 3";
    assert_error(&text, "3", message, "raise `services` in [tables] to at least 4");
    valid(&edited("flows = 65536", "services = 4"));
    let text = edited("flows = 65536", "backends = 7");
    let message = "the services have 8 backends together, each of which takes a backend table entry; there are 7";
    assert_error(&text, "7", message, "raise `backends` in [tables] to at least 8");
    valid(&edited("flows = 65536", "backends = 8"));
    let text = edited("flows = 65536", "maglev = 293");
    let found = errors(&text);
    assert_eq!(found.errors.len(), 2, "{found}");
    assert!(found.errors[0].message.contains("3 backends, which need 300 Maglev slots"), "{found}");
    assert!(found.errors[0].help.as_ref().is_some_and(|help| help.contains("at least 307")), "{found}");
    valid(&edited("flows = 65536", "maglev = 307"));
}

#[test]
fn the_default_sizes_are_checked_too() {
    let mut text = String::from("[[host]]\nname = \"c1\"\naddress = \"10.0.0.11\"\n");
    text += "[[vip]]\nname = \"v\"\naddress = \"10.0.0.1\"\ninterface = \"eth0\"\nholder = \"c1\"\n";
    for port in 1..=256 {
        write!(text, "[[service]]\nname = \"s{port}\"\nvip = \"v\"\nport = {port}\n").expect("a string");
    }
    let message = "the file has 256 services and 1 VIPs, each of which takes a service table entry; there are 256";
    let error = assert_error(&text, "[[service]]", message, "raise `services` in [tables] to at least 257");
    assert_eq!(error.line, 9 + 255 * 4);
}

#[test]
fn a_service_of_too_many_backends_is_told_the_most_there_can_be() {
    let backends: Vec<String> =
        (1..=656).map(|port| format!("{{ host = \"c1\", name = \"b{port}\", port = {port} }}")).collect();
    let text = edited("[\"c1\", \"c2\"]", &format!("[{}]", backends.join(", ")));
    let found = errors(&text);
    assert_eq!(found.errors.len(), 1, "{found}");
    assert!(found.errors[0].help.as_ref().is_some_and(|help| help.contains("at most 655 backends")), "{found}");
}

#[test]
fn one_mistake_in_a_host_does_not_fault_those_that_refer_to_it() {
    assert_eq!(messages(&EXAMPLE.replacen("name = \"c1\"", "name = \"c 1\"", 1)).len(), 1);
    assert_eq!(messages(&edited("10.0.0.11", "10.0.0.x")).len(), 1);
    assert_eq!(messages(&edited("[[host]]", "[[hosts]]").replace("[[host]]", "[[hosts]]")).len(), 1);
}
