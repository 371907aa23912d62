use std::time::Duration;

use super::{Rig, config, key, outline, passed, refused};
use crate::core::command::Level;
use crate::core::controller::DrainError;
use crate::core::event::DrainTarget;
use crate::core::view::BackendState;

fn one(name: &str) -> DrainTarget {
    DrainTarget::One(key(name))
}

impl Rig {
    fn drain(&mut self, target: &DrainTarget, drain: bool) -> Result<Vec<String>, DrainError> {
        let (keys, commands) = self.controller.drain(target, drain, self.now)?;
        self.take_in(commands);
        Ok(keys.iter().map(ToString::to_string).collect())
    }
}

#[test]
fn a_drained_backend_keeps_its_place_and_takes_no_new_flows() {
    let mut rig = Rig::running();
    assert_eq!(rig.drain(&one("keystone/c2"), true).unwrap(), ["keystone/c2"]);
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
    assert_eq!(rig.service("keystone").backends[1].state, BackendState::Drain);
    assert!((rig.view("keystone/c2").share).abs() < f64::EPSILON);
    assert!((rig.view("keystone/c1").share - 0.5).abs() < 0.01);
    assert_eq!(rig.drain(&one("keystone/c2"), false).unwrap(), ["keystone/c2"]);
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
}

#[test]
fn draining_twice_changes_nothing() {
    let mut rig = Rig::running();
    rig.drain(&one("keystone/c2"), true).unwrap();
    let (keys, commands) = rig.controller.drain(&one("keystone/c2"), true, rig.now).unwrap();
    assert_eq!((keys, outline(&commands)), (vec![key("keystone/c2")], vec![]));
}

#[test]
fn a_drained_backend_that_fails_is_down_and_comes_back_drained() {
    let mut rig = Rig::running();
    rig.drain(&one("keystone/c2"), true).unwrap();
    rig.run(Duration::from_secs(20), |_| refused());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Down);
    rig.run(Duration::from_secs(20), |_| passed());
    assert_eq!(rig.view("keystone/c2").state, BackendState::Drain);
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
}

#[test]
fn a_name_alone_means_every_service_and_every_backend_of_that_host() {
    let mut rig = Rig::new();
    let mut config = config();
    config.services[1].backends[1].name = "writer".to_owned();
    rig.configure(config);
    assert_eq!(rig.drain(&DrainTarget::Everywhere("c2".to_owned()), true).unwrap(), ["keystone/c2", "mysql/writer"]);
    assert_eq!(rig.owners("mysql"), ["c1", "c3"]);
    assert_eq!(rig.drain(&DrainTarget::Everywhere("writer".to_owned()), false).unwrap(), ["mysql/writer"]);
    assert_eq!(rig.owners("mysql"), ["c1", "writer", "c3"]);
}

#[test]
fn unknown_names_are_refused_and_say_what_there_is() {
    let mut rig = Rig::running();
    let image = rig.image.clone();
    let error = |rig: &mut Rig, target| rig.drain(&target, true).unwrap_err().to_string();
    assert_eq!(
        error(&mut rig, one("nova/c1")),
        "there is no service `nova` to drain `c1` of; the services are: keystone, mysql"
    );
    assert_eq!(error(&mut rig, one("mysql/c9")), "service `mysql` has no backend `c9`; its backends are: c1, c2, c3");
    assert_eq!(
        error(&mut rig, DrainTarget::Everywhere("c9".to_owned())),
        "no service has a backend `c9`, and none runs on a host of that name; the backends are: c1, c2, c3"
    );
    assert_eq!(rig.image, image);
}

#[test]
fn draining_the_last_backend_warns() {
    let mut rig = Rig::running();
    for name in ["mysql/c1", "mysql/c2"] {
        rig.drain(&one(name), true).unwrap();
    }
    assert!(!rig.logged(Level::Warn, "mysql"));
    rig.drain(&one("mysql/c3"), true).unwrap();
    assert!(rig.service("mysql").table.is_empty());
    assert!(rig.logged(Level::Warn, "service mysql takes no new flows"));
}
