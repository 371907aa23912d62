//! Flow synchronisation, for `pivot status`: who is there, what was told and heard, and what became of that.

use std::fmt::Write as _;

use crate::core::view::{SyncPeerView, SyncView};

use super::super::human::{count, millis};
use super::super::text::{Cell, Paint, Table, Tone, words};

/// The section's body.
pub(super) fn sync(view: Option<&SyncView>, paint: Paint) -> String {
    let Some(view) = view else {
        return "  off: the configuration has no [cluster], so the move of a VIP may cut connections\n".to_owned();
    };
    let mut body = peers(&view.peers, paint);
    let [rounds, told, heard, stored] = [view.rounds, view.flows_told, view.flows_heard, view.flows_stored].map(count);
    let _ = writeln!(body, "  {rounds} rounds as a holder; flows: {told} told, {heard} heard, {stored} of them stored");
    for (number, what) in troubles(view) {
        let text = format!("{} {what}", count(number));
        let _ = writeln!(body, "  {}", paint.apply(Tone::Notable, &text));
    }
    body
}

fn peers(peers: &[SyncPeerView], paint: Paint) -> String {
    if peers.is_empty() {
        return "  there is no other host to tell\n".to_owned();
    }
    let mut table = Table::new(2, &[words("PEER"), words("ADDRESS"), words("STATE"), words("LAST HEARD")]);
    for peer in peers {
        let state = if peer.there { Cell::new(Tone::Good, "there") } else { Cell::new(Tone::Bad, "SILENT") };
        let heard = peer.heard_ms.map_or_else(|| "never".to_owned(), |ago| format!("{} ago", millis(ago)));
        table.row([(&peer.host).into(), peer.address.to_string().into(), state, heard.into()]);
    }
    table.render(paint)
}

/// What went wrong, how often, and what to do about it.
fn troubles(view: &SyncView) -> impl Iterator<Item = (u64, &'static str)> {
    let all = [
        (view.unsent, "messages not sent: look at the links to the silent peers (RUST_LOG=debug says more)"),
        (view.ignored, "messages ignored: pivotd's log says whose and why; `key` must be the same on every host"),
        (view.flows_crowded, "flows found no room: set tables.flows higher, and restart pivotd"),
        (view.flows_strange, "flows of services or backends unknown here: reload the same file on every host"),
    ];
    all.into_iter().filter(|(number, _)| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(host: &str, last: u8, heard_ms: Option<u64>, there: bool) -> SyncPeerView {
        SyncPeerView { host: host.to_owned(), address: [10, 0, 0, last].into(), heard_ms, there }
    }

    fn view() -> SyncView {
        SyncView {
            peers: vec![peer("c2", 12, Some(312), true), peer("c3", 13, Some(192_000), false)],
            sent: 3000,
            unsent: 0,
            received: 2000,
            ignored: 0,
            rounds: 7,
            flows_told: 1200,
            flows_heard: 813,
            flows_stored: 640,
            flows_crowded: 0,
            flows_strange: 0,
        }
    }

    #[test]
    fn peers_and_counters_are_shown_and_troubles_only_if_there_are_any() {
        let expected = "  PEER  ADDRESS    STATE   LAST HEARD\n  c2    10.0.0.12  there   312 ms ago\n  \
                        c3    10.0.0.13  SILENT  3 m 12 s ago\n  \
                        7 rounds as a holder; flows: 1.2 k told, 813 heard, 640 of them stored\n";
        assert_eq!(sync(Some(&view()), Paint::Plain), expected);
    }

    #[test]
    fn each_trouble_is_counted_with_what_to_do() {
        let view = SyncView { unsent: 1, ignored: 2, flows_crowded: 3000, flows_strange: 4, ..view() };
        let page = sync(Some(&view), Paint::Plain);
        let lines: Vec<&str> = page.lines().skip(4).collect();
        let [unsent, ignored, crowded, strange] = lines[..] else { panic!("{page}") };
        assert!(unsent.starts_with("  1 messages not sent: look at the links"), "{page}");
        assert!(ignored.starts_with("  2 messages ignored: pivotd's log"), "{page}");
        assert!(crowded.starts_with("  3.0 k flows found no room: set tables.flows"), "{page}");
        assert!(strange.starts_with("  4 flows of services or backends unknown here: reload"), "{page}");
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{page}");
    }

    #[test]
    fn who_was_never_heard_and_who_has_nobody_to_tell_is_said() {
        let alone = SyncView { peers: Vec::new(), ..view() };
        assert!(sync(Some(&alone), Paint::Plain).starts_with("  there is no other host to tell\n"));
        let unheard = SyncView { peers: vec![peer("c2", 12, None, false)], ..view() };
        assert!(sync(Some(&unheard), Paint::Plain).contains("SILENT  never\n"));
        assert!(sync(None, Paint::Plain).contains("no [cluster]"));
    }
}
