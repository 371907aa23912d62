//! Interfaces by name.

use lb_userspace::io::netlink::NetlinkError;

use crate::segment::{HOST_MAC, json, netlink, on_a_segment};

#[test]
fn a_link_is_found_by_name() {
    on_a_segment(|_| async {
        let link = netlink().link("eth0").await.unwrap();
        assert_eq!((link.name.as_str(), link.mac, link.mtu, link.up), ("eth0", HOST_MAC, 1500, true));
        assert_eq!(link.kind.as_deref(), Some("veth"));
        assert_eq!(json("ip -j link show eth0")[0]["ifindex"], link.index);
    });
}

#[test]
fn an_unknown_interface_is_answered_with_those_there_are() {
    on_a_segment(|_| async {
        for name in ["eht0", "", "a-name-that-is-too-long-for-any-interface"] {
            match netlink().link(name).await {
                Err(NetlinkError::NoSuchInterface { present, .. }) => {
                    assert!(present.contains(&"eth0".to_owned()) && present.contains(&"lo".to_owned()), "{present:?}");
                }
                other => panic!("{name:?}: {other:?}"),
            }
        }
    });
}

#[test]
fn an_interface_without_macs_is_refused() {
    on_a_segment(|_| async {
        let error = netlink().link("lo").await.unwrap_err();
        assert!(matches!(error, NetlinkError::NotEthernet { .. }), "{error}");
    });
}
