//! The services of a real control plane behind pivot: MariaDB Galera, RabbitMQ, memcached and nginx, with real clients.
//!
//! Needs root and the packages of `cargo xtask setup real`, and fails without them.

use std::io;

use pivot_tests::real::story;

/// Fewest operations by service that make the story worth telling.
const OPERATIONS: [(&str, usize); 4] = [("mysql", 100), ("rabbitmq", 200), ("memcached", 1000), ("keystone", 1000)];

#[test]
fn clients_of_real_services_notice_no_more_than_the_death_of_their_own_backend() {
    let mut told = io::stderr();
    let mut plane = story::begin(&mut told).unwrap();
    let figures = story::tell(&mut plane, &mut told).unwrap();
    drop(plane);

    assert_eq!(figures.broken_promises(), Vec::<String>::new());
    assert_eq!(figures.services.len(), OPERATIONS.len());
    for (name, fewest) in OPERATIONS {
        let service = &figures.services[name];
        assert!(service.ops >= fewest, "{name}: {service:?}");
        assert_eq!((service.failed, service.client_address_seen), (0, true), "{name}: {service:?}");
        assert_eq!(service.after_kill.failed_after_detection, 0, "{name}: {service:?}");
    }
}
