//! Frames in; verdict, exact bytes, counters and flows out.
//!
//! Every case runs twice: through the real programs in the kernel (BPF_PROG_TEST_RUN) and through the host build of the
//! same packet path, over tables written by the same writer. Both must do what the case says. What is true of both address
//! families is written once and tested in each. Nothing is attached to an interface and nothing is left behind. Needs root,
//! and says so where it lacks it.

mod frames {
    //! Cases by stage of the path, properties, and the verifier's count, over the rig that runs them.

    /// Builders of tables and frames, both sides, and what is expected of them.
    mod rig {
        pub(crate) mod answer;
        pub(crate) mod arp;
        pub(crate) mod control;
        pub(crate) mod director;
        pub(crate) mod expect;
        pub(crate) mod kernel;
        pub(crate) mod model;
        pub(crate) mod net;
        pub(crate) mod observed;
        pub(crate) mod reading;
        pub(crate) mod scene;
        pub(crate) mod segment;
        pub(crate) mod side;
        pub(crate) mod time;
    }

    /// One behaviour each.
    mod cases {
        mod affinity;
        mod arp_in;
        mod arp_out;
        mod datagrams;
        mod elsewhere;
        mod errors;
        mod extensions;
        mod flows;
        mod forwarding;
        mod fragments;
        mod limits;
        mod malformed;
        mod neighbours;
        mod passing;
        mod resets;
        mod room;
        mod second_chance;
        mod services;
        mod stages;
        mod torn;
        mod unreachable;
        mod untaken;
    }

    /// What holds for any frames and any tables.
    mod properties {
        mod agreement;
        mod any;
        mod hot;
        mod safety;
    }

    mod verifier;
}
