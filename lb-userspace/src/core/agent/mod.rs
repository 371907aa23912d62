//! What the agent of a backend has announced, and what that makes of the backend: one more input beside its checks and its
//! operator's orders.
//!
//! In: answers ([`words`]), one after the other. Out: what stands of them, and the orders in force together with the operator's.
//!
//! What must hold: a word stands until the agent says another one of its kind; where the operator has said something as well, that
//! counts instead.

pub mod words;

use std::fmt;
use std::net::SocketAddr;

use super::check::Attempt;
use super::check::http::StatusSet;
use super::config::model::{Agent, CheckKind, HttpCheck};
use super::order::{Order, Weight};
use words::{Admin, Down, Heard, Operation};

/// What stands of an agent's words; by default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Announced {
    /// Whether the backend is drained, or in maintenance; never [`Admin::Ready`].
    admin: Option<Admin>,
    /// Why it is down, whatever its checks say.
    down: Option<Down>,
    /// The part of its configured weight that it has.
    weight: Option<Weight>,
}

impl Announced {
    /// What stands after another answer. Of what that does not speak, it changes nothing.
    #[must_use]
    pub fn after(&self, heard: &Heard) -> Self {
        Self {
            admin: heard.admin.map_or(self.admin, |admin| (admin != Admin::Ready).then_some(admin)),
            down: match &heard.operation {
                None => self.down.clone(),
                Some(Operation::Up) => None,
                Some(Operation::Down(down)) => Some(down.clone()),
            },
            weight: heard.weight.or(self.weight),
        }
    }

    /// The orders in force, of these of the operator and the agent's words: what either of them drains or takes into maintenance is
    /// that, and an ordered weight replaces the announced one.
    #[must_use]
    pub fn and(&self, order: Order) -> Order {
        Order {
            drained: order.drained || self.admin == Some(Admin::Drain),
            maintenance: order.maintenance || self.admin == Some(Admin::Maint),
            weight: order.weight.or(self.weight),
        }
    }

    /// Whether the same becomes of a backend by both, but for its weight: why it is down is only shown.
    #[must_use]
    pub fn differs_in_weight_alone(&self, other: &Self) -> bool {
        (self.admin, self.down.is_some()) == (other.admin, other.down.is_some())
    }

    /// Whether it has no share left, whatever weight is configured.
    #[must_use]
    pub fn is_weightless(&self) -> bool {
        self.weight.is_some_and(|weight| weight.of(1) == 0)
    }

    /// Why the backend is down, if the agent says so.
    #[must_use]
    pub fn down(&self) -> Option<&Down> {
        self.down.as_ref()
    }

    /// The announced part of the weight.
    #[must_use]
    pub fn weight(&self) -> Option<Weight> {
        self.weight
    }

    /// Whether nothing stands.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// `maint, down (disk is full), 50%`; `nothing`.
impl fmt::Display for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [
            self.admin.map(|admin| admin.word().to_owned()),
            self.down.as_ref().map(ToString::to_string),
            self.weight.map(|weight| weight.to_string()),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        if words.is_empty() { f.write_str("nothing") } else { f.write_str(&words.join(", ")) }
    }
}

/// How the agent of a backend that is bound there is asked.
#[must_use]
pub fn question(agent: &Agent, bound: SocketAddr) -> Attempt {
    let Agent { path, host, timeout, .. } = agent;
    let request = HttpCheck {
        method: "GET".to_owned(),
        path: path.clone(),
        host: host.clone(),
        headers: Vec::new(),
        expect_status: StatusSet::new(vec![200..=299]),
        expect_body: None,
    };
    Attempt { target: agent.target(bound), kind: CheckKind::Http(request), tls: None, timeout: *timeout }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(answers: &[&str]) -> Announced {
        let heard = answers.iter().map(|answer| Heard::read(answer.as_bytes()).unwrap());
        heard.fold(Announced::default(), |announced, heard| announced.after(&heard))
    }

    #[test]
    fn a_word_stands_until_another_of_its_kind_is_said() {
        for (answers, stands) in [
            (&["up"][..], "nothing"),
            (&["ready 100%"], "100%"),
            (&["drain", "up", "50%"], "drain, 50%"),
            (&["drain", "maint"], "maint"),
            (&["maint", "ready"], "nothing"),
            (&["down # disk is full", "drain"], "drain, down (disk is full)"),
            (&["down # disk is full", "ready"], "down (disk is full)"),
            (&["down", "stopped"], "stopped"),
            (&["fail", "up"], "nothing"),
            (&["50%", "0%", "up"], "0%"),
        ] {
            assert_eq!(said(answers).to_string(), stands, "{answers:?}");
            assert_eq!(said(answers).is_nothing(), stands == "nothing");
        }
    }

    #[test]
    fn reasons_make_no_difference_and_weights_one_of_their_own() {
        for (one, other, alike) in [
            ("down # load 12.31", "down # load 12.29", true),
            ("down", "stopped 50%", true),
            ("50%", "up", true),
            ("drain", "up", false),
            ("maint", "drain", false),
            ("down", "up", false),
        ] {
            assert_eq!(said(&[one]).differs_in_weight_alone(&said(&[other])), alike, "{one} and {other}");
        }
        assert!(said(&["0%"]).is_weightless() && !said(&["1%"]).is_weightless() && !said(&["up"]).is_weightless());
    }

    #[test]
    fn what_the_operator_orders_goes() {
        let order = |drained, maintenance, weight| Order { drained, maintenance, weight };
        let (half, ten) = (Some(Weight::Percent(50)), Some(Weight::Of(10)));
        let none = Order::default();
        for (answers, ordered, in_force) in [
            (&[][..], none, none),
            (&["up", "down"], none, none),
            (&["drain 50%"], none, order(true, false, half)),
            (&["maint"], none, order(false, true, None)),
            (&["ready 100%"], order(true, true, ten), order(true, true, ten)),
            (&["drain 50%"], order(false, true, ten), order(true, true, ten)),
            (&["50%"], order(true, false, None), order(true, false, half)),
        ] {
            assert_eq!(said(answers).and(ordered), in_force, "{answers:?} and {ordered}");
        }
    }

    #[test]
    fn an_agent_is_asked_where_it_is_told_to() {
        let agent = Agent { path: "/agent?x".into(), ..Agent::at(9999) };
        let bound = SocketAddr::from(([10, 0, 0, 11], 8080));
        let Attempt { target, kind, tls, timeout } = question(&agent, bound);
        assert_eq!((target, tls, timeout), (SocketAddr::from(([10, 0, 0, 11], 9999)), None, agent.timeout));
        let CheckKind::Http(request) = kind else { panic!("{kind:?}") };
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/agent?x"));
        assert!(request.expect_status.contains(204) && !request.expect_status.contains(302));
        let elsewhere = Agent { address: Some([10, 1, 0, 1].into()), ..agent };
        assert_eq!(question(&elsewhere, bound).target, SocketAddr::from(([10, 1, 0, 1], 9999)));
    }
}
