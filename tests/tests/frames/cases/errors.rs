//! ICMP and ICMPv6 about VIPs: echoes are for the stack, errors for the backend whose packet they quote.

use std::time::Duration;

use lb_common::path::verdict::{Action, Verdict};
use lb_common::wire::flow::Stage;

use super::flows::two;
use crate::frames::rig::director::{Director, director};
use crate::frames::rig::expect::{Expect, Leaves, dropped, forwarded_to, passes, told};
use crate::frames::rig::model::NEW;
use crate::frames::rig::net::{Net, in_both_families};
use crate::frames::rig::reading::Frame;
use crate::frames::rig::scene::{Scene, down, drained, up};
use crate::frames::rig::segment::{QINQ, VLAN};

in_both_families! {
    an_echo_to_a_vip_that_is_held_is_for_the_stack,
    an_echo_to_a_vip_that_is_not_held_gets_no_answer,
    an_echo_to_another_address_passes,
    control_messages_that_are_no_errors_pass,
    an_error_of_any_type_goes_to_the_backend_of_the_flow_that_it_quotes,
    an_error_goes_to_the_backend_that_the_flow_was_given_though_the_table_changed,
    an_error_about_a_flow_of_another_director_goes_where_the_table_says,
    an_error_about_a_datagram_goes_to_its_backend,
    an_error_in_a_vlan_stays_in_it,
    an_error_for_a_backend_on_this_host_is_for_the_stack,
    an_error_for_a_backend_behind_another_interface_goes_there,
    an_error_for_a_drained_backends_flow_goes_to_it,
    an_error_for_a_kept_flow_goes_to_its_backend,
    an_error_for_a_removed_backends_flow_goes_to_it,
    an_error_for_a_down_backends_flow_is_dropped,
    an_error_about_a_service_without_backends_is_dropped,
    an_error_for_a_backend_whose_mac_is_unknown_is_dropped,
    an_error_from_a_director_to_a_vip_that_is_not_held_passes,
    an_error_to_another_address_passes,
    an_error_makes_no_flow_and_extends_none,
    an_error_that_quotes_another_sender_is_dropped,
    an_error_that_quotes_no_service_passes,
    an_error_whose_quote_is_cut_short_is_dropped,
    an_error_that_quotes_a_fragment_without_ports_is_dropped,
    an_error_that_quotes_a_first_fragment_goes_to_its_backend,
    an_error_that_quotes_another_protocol_is_dropped,
    an_error_shorter_than_its_header_is_dropped,
    an_error_longer_than_its_frame_is_dropped,
    an_error_about_a_client_with_affinity_goes_where_its_flow_went,
    an_error_about_an_unknown_flow_of_a_client_with_affinity_goes_where_the_table_says,
    an_error_about_a_flow_whose_time_was_up_goes_where_the_table_says,
    a_fragment_of_a_control_message_passes,
}

/// A director that gave the usual client's flow to `a` and would give others to `b`.
fn with_a_flow_to_a(on: Net) -> Director {
    let mut pivot = director(two(on, "a"));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(two(on, "b"));
    pivot
}

fn an_echo_to_a_vip_that_is_held_is_for_the_stack(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.echo(), passes(Verdict::Echo));
    pivot.receives(on.echo().payload(1400).tagged(VLAN, 5), passes(Verdict::Echo));
}

fn an_echo_to_a_vip_that_is_not_held_gets_no_answer(on: Net) {
    let mut pivot = director(Scene::from(on.web().with(up("a"))).not_holding(on.vip()));
    pivot.receives(on.echo(), dropped(Verdict::EchoNotHeld));
    pivot.receives(on.echo().tagged(QINQ, 5).tagged(VLAN, 5), dropped(Verdict::EchoNotHeld));
    pivot.receives(on.echo().directed(), dropped(Verdict::EchoNotHeld));
}

fn an_echo_to_another_address_passes(on: Net) {
    let mut pivot = director(on.web().with(up("a")));
    pivot.receives(on.echo().to((on.node(100), 0)), passes(Verdict::NotService));
}

fn control_messages_that_are_no_errors_pass(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    // Replies, requests for a time stamp, redirects, source quench; membership, routers, redirects.
    let kinds: &[u8] = match on {
        Net::V4 => &[0, 4, 5, 9, 10, 13, 14, 40],
        Net::V6 => &[129, 130, 133, 134, 137, 255],
    };
    for kind in kinds {
        pivot.receives(on.quoting((*kind, 0, [0; 4]), on.ack().answered().packet()), passes(Verdict::NotBalanced));
    }
}

fn an_error_of_any_type_goes_to_the_backend_of_the_flow_that_it_quotes(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    for error in on.errors() {
        pivot.receives(on.error(error, on.data(1400)), told("a"));
        pivot.receives(on.error(error, on.ack()), told("a"));
    }
}

fn an_error_goes_to_the_backend_that_the_flow_was_given_though_the_table_changed(on: Net) {
    let mut pivot = director(two(on, "a"));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.receives(on.too_big(on.data(1400)), told("a"));
    pivot.configure(two(on, "b"));
    pivot.receives(on.too_big(on.data(1400)), told("a"));
    pivot.receives(on.too_big(on.data(1400).at_port(1)), told("b"));
}

fn an_error_about_a_flow_of_another_director_goes_where_the_table_says(on: Net) {
    let mut pivot = director(two(on, "b"));
    pivot.receives(on.too_big(on.data(1400)), told("b"));
    pivot.receives(on.ack(), forwarded_to("b").chosen());
}

fn an_error_about_a_datagram_goes_to_its_backend(on: Net) {
    let both = |taker| on.names().with(up("a")).with(up("b")).new_flows_to([taker]);
    let mut pivot = director(both("a"));
    pivot.receives(on.datagram(30), forwarded_to("a").chosen());
    pivot.configure(both("b"));
    pivot.receives(on.too_big(on.datagram(1400)), told("a"));
    // A quote of the first eight bytes, as of old.
    let quote = on.datagram(1400).answered().packet();
    let (kind, code, rest) = on.errors()[0];
    pivot.receives(on.quoting((kind, code, rest), quote[..on.header() + 8].to_vec()), told("a"));
}

fn an_error_in_a_vlan_stays_in_it(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.receives(on.too_big(on.data(1400)).tagged(VLAN, 5), told("a"));
    pivot.receives(on.too_big(on.data(1400)).tagged(QINQ, 5).tagged(VLAN, 6), told("a"));
}

fn an_error_for_a_backend_on_this_host_is_for_the_stack(on: Net) {
    let mut pivot = director(on.web().with(up("a").here()));
    pivot.receives(on.too_big(on.data(1400)), passes(Verdict::Local));
}

fn an_error_for_a_backend_behind_another_interface_goes_there(on: Net) {
    let mut pivot = director(on.web().with(up("a").beyond()));
    let verdict = Some(Verdict::Redirected);
    let beyond = Expect { action: Action::Redirect, verdict, leaves: Leaves::Beyond("a"), ..told("a") };
    pivot.receives(on.too_big(on.data(1400)), beyond);
}

fn an_error_for_a_drained_backends_flow_goes_to_it(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(drained("a")).with(up("b")));
    pivot.receives(on.too_big(on.data(1400)), told("a"));
}

fn an_error_for_a_kept_flow_goes_to_its_backend(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().keeping().with(down("a")).with(up("b")));
    pivot.receives(on.too_big(on.data(1400)), told("a"));
}

fn an_error_for_a_removed_backends_flow_goes_to_it(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(up("b")));
    pivot.receives(on.too_big(on.data(1400)), told("a"));
}

fn an_error_for_a_down_backends_flow_is_dropped(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.configure(on.web().with(down("a")).with(up("b")));
    pivot.receives(on.too_big(on.data(1400)), dropped(Verdict::ErrorUnplaced));
    pivot.receives(on.too_big(on.data(1400).at_port(1)), told("b"));
}

fn an_error_about_a_service_without_backends_is_dropped(on: Net) {
    let mut pivot = director([on.web(), on.names()]);
    pivot.receives(on.too_big(on.data(1400)), dropped(Verdict::ErrorUnplaced));
    pivot.receives(on.too_big(on.datagram(1400)), dropped(Verdict::ErrorUnplaced));
}

fn an_error_for_a_backend_whose_mac_is_unknown_is_dropped(on: Net) {
    let mut pivot = director(on.web().with(up("a").unresolved()));
    pivot.receives(on.too_big(on.data(1400)), dropped(Verdict::Unresolved));
}

fn an_error_from_a_director_to_a_vip_that_is_not_held_passes(on: Net) {
    let mut pivot = director(Scene::from(on.web().with(up("a"))).not_holding(on.vip()));
    pivot.receives(on.too_big(on.data(1400)).directed(), passes(Verdict::NotHeld));
}

fn an_error_to_another_address_passes(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.receives(on.too_big(on.data(1400)).to((on.node(100), 0)), passes(Verdict::NotService));
}

fn an_error_makes_no_flow_and_extends_none(on: Net) {
    let mut pivot = director(two(on, "a"));
    pivot.receives(on.too_big(on.data(1400)), told("a"));
    pivot.remembers(on.ack(), None);
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.waits(NEW - Duration::from_secs(5));
    // The model knows of no message that would change what is remembered.
    pivot.receives(on.too_big(on.data(1400)), told("a"));
    pivot.is_at(on.ack(), Stage::New, Duration::from_secs(5));
}

fn an_error_that_quotes_another_sender_is_dropped(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    let elsewhere = on.data(1400).to(on.at_other(80));
    pivot.receives(on.too_big(elsewhere), dropped(Verdict::Quote));
    // What the client sent is not what a backend sent.
    pivot.receives(on.too_big(on.data(1400).answered()), dropped(Verdict::Quote));
}

fn an_error_that_quotes_no_service_passes(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.receives(on.too_big(on.data(1400).for_port(81)), passes(Verdict::NotService));
    pivot.receives(on.too_big(on.datagram(1400).for_port(80)), passes(Verdict::NotService));
}

fn an_error_whose_quote_is_cut_short_is_dropped(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    let (quote, error) = (on.ack().answered().packet(), on.errors()[0]);
    for len in 0..on.header() + 4 {
        pivot.receives(on.quoting(error, quote[..len].to_vec()), dropped(Verdict::Quote));
    }
    // Ports are all that is needed.
    pivot.receives(on.quoting(error, quote[..on.header() + 4].to_vec()), told("a"));
}

fn an_error_that_quotes_a_fragment_without_ports_is_dropped(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    let later = on.bare(6, 100).fragment(7, 185, true);
    pivot.receives(on.too_big(later), dropped(Verdict::Quote));
}

fn an_error_that_quotes_a_first_fragment_goes_to_its_backend(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.receives(on.too_big(on.data(1400).fragment(7, 0, true)), told("a"));
}

fn an_error_that_quotes_another_protocol_is_dropped(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.receives(on.too_big(on.bare(132, 40)), dropped(Verdict::Quote));
    pivot.receives(on.too_big(on.echo()), dropped(Verdict::Quote));
}

fn an_error_shorter_than_its_header_is_dropped(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    let error = on.too_big(on.data(1400));
    for len in error.l4()..error.l4() + 8 {
        pivot.receives(error.clone().frame_of(len), dropped(Verdict::Malformed));
    }
    for len in 0..8 {
        pivot.receives(error.clone().saying_ip_payload(len), dropped(Verdict::Malformed));
    }
}

fn an_error_longer_than_its_frame_is_dropped(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    let error = on.too_big(on.data(1400));
    let whole = Frame::from(error.clone()).bytes.len();
    pivot.receives(error.clone().frame_of(whole - 1), dropped(Verdict::Malformed));
    pivot.receives(error.frame_of(whole + 1), told("a"));
}

fn an_error_about_a_client_with_affinity_goes_where_its_flow_went(on: Net) {
    let affine = |taker| two(on, taker).affine(on.bits(), Duration::from_secs(600));
    let mut pivot = director(affine("a"));
    pivot.receives(on.syn(), forwarded_to("a").chosen());
    pivot.configure(affine("b"));
    pivot.receives(on.too_big(on.data(1400)), told("a"));
}

fn an_error_about_an_unknown_flow_of_a_client_with_affinity_goes_where_the_table_says(on: Net) {
    let mut pivot = director(two(on, "b").affine(on.bits(), Duration::from_secs(600)));
    pivot.receives(on.too_big(on.data(1400)), told("b"));
    pivot.receives(on.ack(), forwarded_to("b").chosen());
}

fn an_error_about_a_flow_whose_time_was_up_goes_where_the_table_says(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.waits(NEW + Duration::from_secs(5));
    pivot.receives(on.too_big(on.data(1400)), told("b"));
}

fn a_fragment_of_a_control_message_passes(on: Net) {
    let mut pivot = with_a_flow_to_a(on);
    pivot.receives(on.echo().fragment(9, 0, true), passes(Verdict::NotBalanced));
    pivot.receives(on.too_big(on.data(1400)).fragment(9, 0, true), passes(Verdict::NotBalanced));
    pivot.receives(on.bare(on.icmp_number(), 64).fragment(9, 5, false), passes(Verdict::NotBalanced));
}

#[test]
fn an_error_whose_quote_has_ip_options_or_extension_headers_is_read() {
    let mut pivot = director([two(Net::V4, "a"), two(Net::V6, "a")]);
    for (on, long) in [(Net::V4, Net::V4.ack().ip_options(10)), (Net::V6, Net::V6.ack().options6(60, 2))] {
        let quote = long.answered().packet();
        pivot.receives(on.quoting(on.errors()[0], quote), told("a"));
    }
}
