//! Every way out of the packet path, by name.

/// What becomes of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Up the stack of this host, unchanged.
    Pass,
    /// Nowhere.
    Drop,
    /// Out of the interface it came in by, as rewritten.
    Transmit,
    /// Out of another interface, as rewritten.
    Redirect,
    /// Nowhere, and something is wrong with pivot itself.
    Abort,
}

macro_rules! verdicts {
    ($($(#[$doc:meta])+ $variant:ident = $number:literal, $name:literal, $action:ident;)+) => {
        /// A way out of the packet path. Its number is its index in the counters.
        #[must_use]
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Verdict { $($(#[$doc])+ $variant = $number,)+ }

        impl Verdict {
            /// Every verdict, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name for people and for metrics.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What becomes of the packet.
            #[inline(always)]
            #[must_use]
            pub const fn action(self) -> Action {
                match self { $(Self::$variant => Action::$action,)+ }
            }
        }
    };
}

verdicts! {
    /// Shorter than its headers say, before it is known to be a VIP's.
    Runt = 0, "pass-runt", Pass;
    /// Neither IP nor ARP.
    NotIp = 1, "pass-not-ip", Pass;
    /// Addressed to another host's MAC: a switch floods.
    OtherHost = 2, "pass-other-host", Pass;
    /// No valid IPv4 or IPv6 header.
    BadHeader = 3, "pass-bad-ip-header", Pass;
    /// More IPv6 extension headers than are walked.
    Extensions = 4, "pass-extension-headers", Pass;
    /// A protocol that is not balanced, or a fragment of one.
    NotBalanced = 5, "pass-protocol", Pass;
    /// Address, port and protocol are those of no service, or the address is that of no VIP.
    NotService = 6, "pass-not-service", Pass;
    /// A packet to a VIP on a host that does not hold it: its director sent it here.
    NotHeld = 7, "pass-vip-not-held", Pass;
    /// The flow's backend runs on this host.
    Local = 8, "pass-local-backend", Pass;
    /// ARP that is not about a VIP, or is about one that this host holds.
    Arp = 9, "pass-arp", Pass;
    /// ARP about a VIP that this host does not hold.
    ArpSilenced = 10, "drop-arp-vip-not-held", Drop;
    /// A service's packet whose lengths contradict each other.
    Malformed = 11, "drop-malformed", Drop;
    /// The backend's MAC is not known.
    Unresolved = 12, "drop-backend-unresolved", Drop;
    /// A reset that no backend can be told of, or a segment from no single host: that is never answered.
    ResetUnheard = 13, "drop-reset-unheard", Drop;
    /// Sent to a backend by rewrite of the destination MAC.
    Forwarded = 14, "tx-forwarded", Transmit;
    /// Answered with a TCP reset: no backend takes new flows.
    ResetNoBackend = 15, "tx-reset-no-backend", Transmit;
    /// Answered with a TCP reset: the flow's backend was marked down.
    ResetBackendDown = 16, "tx-reset-backend-down", Transmit;
    /// A table lacks an element that another refers to.
    TableTorn = 17, "abort-table", Abort;
    /// Agent: the kernel was handed the backend's listening socket for a connection to a VIP.
    Steered = 18, "steer-assigned", Pass;
    /// Agent: nothing listens on the backend's address and port, and this host's stack refuses the connection.
    SteerNoListener = 19, "steer-no-listener", Pass;
    /// Agent: a listener was put into the table of listeners.
    ListenerFound = 20, "steer-listener-found", Pass;
    /// Agent: the kernel does not take the listener into the table; it is assigned to each SYN instead.
    SteerFallback = 21, "steer-fallback", Pass;
    /// Agent: the kernel refused the listener both ways.
    SteerRefused = 22, "steer-refused", Pass;
    /// Egress: an ARP request that named a VIP not held as its sender, given the host's own address.
    ArpSenderMasked = 23, "egress-arp-sender-masked", Pass;
    /// Egress: another ARP that would have announced a VIP not held.
    ArpAnnounceStopped = 24, "egress-arp-stopped", Drop;
    /// Sent to a backend out of another interface.
    Redirected = 25, "redirect-forwarded", Redirect;
    /// An echo request to a VIP that this host holds: its stack answers.
    Echo = 26, "pass-echo", Pass;
    /// An echo request to a VIP that this host does not hold.
    EchoNotHeld = 27, "drop-echo-vip-not-held", Drop;
    /// An ICMP error, sent to the backend of the flow that it quotes.
    ErrorForwarded = 28, "tx-icmp-error", Transmit;
    /// An ICMP error about a flow that no backend has.
    ErrorUnplaced = 29, "drop-icmp-error-no-backend", Drop;
    /// An ICMP error to a VIP that quotes nothing that a service may have sent.
    Quote = 30, "drop-icmp-error-quote", Drop;
    /// A fragment whose first one did not come before.
    FragmentUnplaced = 31, "drop-fragment-unplaced", Drop;
    /// A datagram to a service that has no checksum where IPv6 requires one.
    NoChecksum = 32, "drop-udp6-no-checksum", Drop;
    /// Answered with ICMP port unreachable: no backend takes new flows.
    UnreachableNoBackend = 33, "tx-unreachable-no-backend", Transmit;
    /// The same, but too many were sent already.
    UnreachableLimited = 34, "drop-unreachable-limited", Drop;
    /// A datagram that no backend can be told of, from no single host or with headers too long: it is not answered.
    UnreachableUnheard = 35, "drop-unreachable-unheard", Drop;
    /// A neighbour solicitation that is not about a VIP, or is about one that this host holds.
    Solicitation = 36, "pass-ns", Pass;
    /// A neighbour solicitation for a VIP that this host does not hold.
    SolicitationSilenced = 37, "drop-ns-vip-not-held", Drop;
    /// Egress: a neighbour advertisement for a VIP that this host does not hold.
    AdvertisementStopped = 38, "egress-na-stopped", Drop;
    /// Of a VLAN, below a VLAN device that the path runs on as well: it comes in by that.
    VlanDevice = 39, "pass-vlan-device", Pass;
    /// A client's packet on a host that does not hold the VIP, sent on to the one that does.
    PassedOn = 40, "tx-passed-on", Transmit;
    /// The same, out of another interface.
    PassedOnBeyond = 41, "redirect-passed-on", Redirect;
    /// A client's packet on a host that does not hold the VIP, while it is not known who does.
    HolderUnknown = 42, "drop-vip-not-held", Drop;
    /// Agent: nothing listens; the SYN goes back to the director that sent it, for another backend.
    HandedBack = 43, "steer-handed-back", Transmit;
    /// A SYN that its backend's host did not take, sent to the flow's next choice.
    SecondChoice = 44, "tx-second-choice", Transmit;
    /// The same, out of another interface.
    SecondChoiceBeyond = 45, "redirect-second-choice", Redirect;
    /// The same; the next choice runs on this host.
    SecondChoiceLocal = 46, "pass-second-choice", Pass;
    /// A SYN that no choice of its flow took: this host's stack refuses it.
    NoChoiceLeft = 47, "pass-no-choice-left", Pass;
    /// A frame that says to be handed back and comes from no controller.
    ReturnedByStranger = 48, "drop-returned-by-stranger", Drop;
    /// A frame that was handed back and is no SYN to a service whose VIP this host holds.
    ReturnedUnplaced = 49, "drop-returned-unplaced", Drop;
}

const _: () = {
    let mut i = 0;
    while i < Verdict::ALL.len() {
        assert!(Verdict::ALL[i] as usize == i, "a verdict's number is its place in the list");
        i += 1;
    }
};

/// Counters of one CPU: a whole number of cache lines, so that CPUs do not share any.
pub const STRIDE: u32 = 64;

const _: () = assert!(Verdict::ALL.len() <= STRIDE as usize);
