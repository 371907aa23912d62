//! What correct files mean.

use std::time::Duration;

use super::super::model::{CheckKind, Holder, Mode, OnDown, Protocol, TableSizes};
use super::{EXAMPLE, edited, edited_in, valid};

#[test]
fn the_example_means_what_it_says() {
    let config = valid(EXAMPLE);
    let names: Vec<&str> = config.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["c1", "c2", "c3"]);
    let vip = &config.vips[0];
    assert_eq!(
        (vip.name.as_str(), vip.prefix, vip.interface.as_str(), &vip.holder),
        ("internal", 32, "eth0", &Holder::Host("c1".into()))
    );
    assert_eq!(vip.address.to_string(), "10.0.0.100");
    assert_eq!(config.tables, TableSizes { flows: 65_536, ..TableSizes::default() });

    let glance = &config.services[1];
    assert_eq!((glance.vip.as_str(), glance.port), ("internal", 9292));
    assert_eq!((glance.protocol, glance.mode), (Protocol::Tcp, Mode::L2));
    let spare = &glance.backends[2];
    assert_eq!((spare.name.as_str(), spare.host.as_str()), ("spare", "c3"));
    assert_eq!((spare.address.to_string().as_str(), spare.port, spare.weight), ("10.0.1.13", 9293, 50));
}

#[test]
fn a_backend_is_named_bound_and_weighed_as_its_host_and_service_say() {
    let config = valid(EXAMPLE);
    let c2 = &config.services[1].backends[1];
    assert_eq!((c2.name.as_str(), c2.host.as_str()), ("c2", "c2"));
    assert_eq!((c2.address.to_string().as_str(), c2.port, c2.weight), ("10.0.0.12", 9292, 100));
    assert!(config.services[2].backends.iter().all(|backend| backend.port == 8080));
}

#[test]
fn a_service_without_backends_runs_on_every_host() {
    let keystone = &valid(EXAMPLE).services[0];
    let backends: Vec<_> = keystone.backends.iter().map(|b| (b.name.as_str(), b.host.as_str(), b.port)).collect();
    assert_eq!(backends, [("c1", "c1", 5001), ("c2", "c2", 5001), ("c3", "c3", 5001)]);
}

#[test]
fn checks_take_what_they_leave_out_from_the_defaults_section() {
    let config = valid(&edited("rise = 2, fall = 3 }", "rise = 4, fall = 5, down_interval = \"1m\" }"));
    let check = &config.services[0].check;
    assert_eq!((check.rise, check.fall), (4, 5));
    assert_eq!(check.fast_interval, Duration::from_millis(500));
    assert_eq!(check.down_interval, Duration::from_secs(60));
}

#[test]
fn checks_are_haproxys_unless_said_otherwise() {
    let check = &valid(&edited("[defaults]\ncheck = { interval = \"2s\", timeout = \"1s\", rise = 2, fall = 3 }", ""))
        .services[1]
        .check;
    assert_eq!(check.kind, CheckKind::Tcp);
    assert_eq!((check.interval, check.timeout), (Duration::from_secs(2), Duration::from_secs(1)));
    assert_eq!((check.rise, check.fall), (2, 3));
}

#[test]
fn the_other_intervals_follow_the_interval() {
    let check = &valid(&edited("fast_interval = \"500ms\"", "interval = \"7s\"")).services[0].check;
    assert_eq!((check.fast_interval, check.down_interval), (Duration::from_secs(7), Duration::from_secs(7)));
}

#[test]
fn a_service_can_go_unchecked() {
    assert_eq!(valid(&edited("type = \"tcp\"", "type = \"none\"")).services[0].check.kind, CheckKind::None);
}

#[test]
fn a_check_can_be_a_section_of_its_own() {
    let text = edited("check = { type = \"tcp\", fast_interval = \"500ms\" }", "[service.check]\nrise = 9");
    assert_eq!(valid(&text).services[0].check.rise, 9);
}

#[test]
fn hosts_alone_are_a_configuration() {
    let config = valid("[[host]]\nname = \"c1\"\naddress = \"10.0.0.11\"\n");
    assert!(config.vips.is_empty() && config.services.is_empty());
    assert_eq!(config.tables, TableSizes::default());
}

#[test]
fn one_backend_of_a_service_may_have_weight_0() {
    assert_eq!(valid(&edited("weight = 50", "weight = 0")).services[1].backends[2].weight, 0);
    assert_eq!(valid(&edited("weight = 50", "weight = 256")).services[1].backends[2].weight, 256);
}

#[test]
fn a_service_may_run_twice_on_a_host_on_two_ports() {
    let text =
        edited("backends = [\"c1\", \"c2\"]", "backends = [\"c1\", { host = \"c1\", name = \"c1b\", port = 8081 }]");
    assert_eq!(valid(&text).services[2].backends[1].port, 8081);
}

#[test]
fn a_port_can_be_used_on_two_vips() {
    let second = "[[vip]]\nname = \"public\"\naddress = \"10.0.0.101\"\nprefix = 24\ninterface = \"eth0\"\nholder = \"c2\"\n\n[defaults]";
    let text = edited("[defaults]", second).replace("vip = \"internal\"\nport = 443", "vip = \"public\"\nport = 5000");
    let config = valid(&text);
    assert_eq!(config.vips[1].prefix, 24);
    assert_eq!(config.services[2].port, 5000);
}

#[test]
fn line_ends_a_byte_order_mark_and_number_bases_do_not_matter() {
    let text = format!("\u{feff}{}", edited("port = 5000", "port = 0x1388").replace('\n', "\r\n"));
    assert_eq!(valid(&text), valid(EXAMPLE));
}

/// Whoever writes down a default in the documentation writes down the one that holds.
#[test]
fn the_documented_sizes_are_the_defaults() {
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md"));
    let TableSizes { services, backends, flows, new_flows, maglev } = TableSizes::default();
    let sizes = [
        ("services", services),
        ("backends", backends),
        ("flows", flows),
        ("new_flows", new_flows),
        ("maglev", maglev),
    ];
    for (key, size) in sizes {
        assert!(document.contains(&format!("| `{key}` | `{size}` |")), "{key} = {size}");
    }
}

#[test]
fn the_documented_files_are_valid() {
    let document = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md"));
    let blocks = document.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let (files, parts): (Vec<&str>, Vec<&str>) = blocks.partition(|block| block.contains("host = ["));
    assert_eq!((files.len(), parts.len()), (5, 2));
    assert_eq!(valid(files[0]).services.len(), 3);
    let both = valid(files[1]);
    assert_eq!(both.services[1].backends[1].address.to_string(), "fd00::12");
    assert_eq!(both.services[3].check.kind, CheckKind::None);
    assert_eq!(valid(files[2]).services[0].backends[1].name, "big");
    let types: Vec<&str> = valid(files[3]).services.iter().map(|service| service.check.type_name()).collect();
    assert_eq!(types, ["http", "https", "mysql", "amqp", "memcached", "udp", "command"]);
    // A group, and more of its keys.
    let group = format!("{}[[vip]]", parts.concat());
    let elected = edited_in(&edited_in(EXAMPLE, "[[vip]]", &group), "holder = \"c1\"\n", "group = \"control\"\n");
    let group = &valid(&elected).groups[0];
    assert_eq!((group.track.len(), group.hooks.on_holder.len()), (3, 2));
}

#[test]
fn what_becomes_of_a_down_backends_flows_is_said_by_the_service_or_by_default() {
    let on_down = |text: &str| -> Vec<OnDown> { valid(text).services.iter().map(|it| it.on_down).collect() };
    assert_eq!(on_down(EXAMPLE), [OnDown::Reset; 3]);
    assert_eq!(
        on_down(&edited("port = 443", "port = 443\non_down = \"keep\"")),
        [OnDown::Reset, OnDown::Reset, OnDown::Keep]
    );
    let kept = edited("[defaults]", "[defaults]\non_down = \"keep\"");
    assert_eq!(on_down(&kept), [OnDown::Keep; 3]);
    let but_one = edited_in(&kept, "port = 443", "port = 443\non_down = \"reset\"");
    assert_eq!(on_down(&but_one), [OnDown::Keep, OnDown::Keep, OnDown::Reset]);
}
