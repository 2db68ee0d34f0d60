//! What became of a frame: each frame ends in exactly one outcome, which is counted once.

/// The end of a frame's way through the program, and the index of the counter it is added to.
///
/// The sum over all outcomes of an interface is the number of frames that arrived on it.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Passed: neither IPv4 nor IPv6.
    NotIp = 0,
    /// Passed: IPv6 neighbour discovery (RFC 4861), without which no host is reachable.
    NeighborDiscovery,
    /// Passed: the interface or the policy is not in the tables (yet).
    Unconfigured,
    /// Passed: malformed, and the policy says that malformed packets pass.
    MalformedPassed,
    /// Passed: a rule with `action = "pass"` matched.
    RulePassed,
    /// Passed in place, in its class and within the class's rate.
    ClassPassed,
    /// Passed to another CPU's queue, in its class and within the class's rate. A queue that is full
    /// drops the packet after that; the kernel tells it only by its `xdp_cpumap_enqueue` tracepoint.
    ClassSteered,
    /// Dropped: the class was out of tokens.
    OverRate,
    /// Dropped: a rule with `action = "drop"` matched.
    RuleDropped,
    /// Dropped: a header claims more bytes than the frame has.
    Truncated,
    /// Dropped: the version in the IP header is not the one of the EtherType.
    BadVersion,
    /// Dropped: an IP or transport header states a length below its own minimum.
    BadHeaderLength,
    /// Dropped: the IP or UDP length contradicts the headers or exceeds the frame.
    BadTotalLength,
    /// Dropped: the chain of IPv6 extension headers is longer than is followed.
    TooManyExtensionHeaders,
    /// Dropped: a fragment that hides the transport header (RFC 1858, RFC 7112) or ends beyond
    /// 65,535 bytes.
    BadFragment,
    /// Dropped: an IPv6 packet with an IPv4-mapped address, which does not belong on the wire (RFC
    /// 4942 section 2.2) and would pass for IPv4 in rules.
    BadAddress,
    /// Dropped: behind more than two VLAN tags. Linux strips any number of tags with identifier 0 and
    /// would deliver what no rule has seen (`docs/decisions/0005-three-tags.md`).
    TooManyVlanTags,
    /// Passed: the class was out of tokens, or the source had more than each may have, and the class is in
    /// shadow.
    OverRateShadowed,
    /// Passed: a rule with `action = "drop"` matched which is in shadow.
    RuleDropShadowed,
    /// Dropped: its source had more of the class than each source may have.
    OverSourceRate,
}

/// Number of outcomes, and room for more without a change of layout.
pub const OUTCOME_SLOTS: u32 = 32;

impl Outcome {
    /// All outcomes, in counter order.
    pub const ALL: [Self; 20] = [
        Self::NotIp,
        Self::NeighborDiscovery,
        Self::Unconfigured,
        Self::MalformedPassed,
        Self::RulePassed,
        Self::ClassPassed,
        Self::ClassSteered,
        Self::OverRate,
        Self::RuleDropped,
        Self::Truncated,
        Self::BadVersion,
        Self::BadHeaderLength,
        Self::BadTotalLength,
        Self::TooManyExtensionHeaders,
        Self::BadFragment,
        Self::BadAddress,
        Self::TooManyVlanTags,
        Self::OverRateShadowed,
        Self::RuleDropShadowed,
        Self::OverSourceRate,
    ];

    /// Index of this outcome's counter within its interface's block.
    #[inline(always)]
    #[expect(clippy::as_conversions, reason = "the discriminant is the index")]
    pub const fn index(self) -> u32 {
        self as u32
    }

    /// The outcome's name in JSON and in tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotIp => "not_ip",
            Self::NeighborDiscovery => "neighbor_discovery",
            Self::Unconfigured => "unconfigured",
            Self::MalformedPassed => "malformed_passed",
            Self::RulePassed => "rule_passed",
            Self::ClassPassed => "class_passed",
            Self::ClassSteered => "class_steered",
            Self::OverRate => "over_rate",
            Self::RuleDropped => "rule_dropped",
            Self::Truncated => "truncated",
            Self::BadVersion => "bad_version",
            Self::BadHeaderLength => "bad_header_length",
            Self::BadTotalLength => "bad_total_length",
            Self::TooManyExtensionHeaders => "too_many_extension_headers",
            Self::BadFragment => "bad_fragment",
            Self::BadAddress => "bad_address",
            Self::TooManyVlanTags => "too_many_vlan_tags",
            Self::OverRateShadowed => "over_rate_shadowed",
            Self::RuleDropShadowed => "rule_drop_shadowed",
            Self::OverSourceRate => "over_source_rate",
        }
    }

    /// Whether a frame with this outcome was dropped.
    pub const fn is_drop(self) -> bool {
        match self {
            Self::NotIp
            | Self::NeighborDiscovery
            | Self::Unconfigured
            | Self::MalformedPassed
            | Self::RulePassed
            | Self::ClassPassed
            | Self::ClassSteered
            | Self::OverRateShadowed
            | Self::RuleDropShadowed => false,
            Self::OverRate
            | Self::OverSourceRate
            | Self::RuleDropped
            | Self::Truncated
            | Self::BadVersion
            | Self::BadHeaderLength
            | Self::BadTotalLength
            | Self::TooManyExtensionHeaders
            | Self::BadFragment
            | Self::BadAddress
            | Self::TooManyVlanTags => true,
        }
    }
}

const _: () = assert!(Outcome::ALL.len() <= 32 && OUTCOME_SLOTS == 32);
