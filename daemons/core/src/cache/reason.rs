//! Why the cache did what it did: one enum for each kind of outcome. Each variant has a label for
//! counters and logs, an index for arrays of counters, and the rule it follows.

use std::fmt::{self, Display, Formatter};

/// The rule that made a decision, for an operator who asks why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it is written, such as `RFC 9111 §4.2`.
    pub clause: &'static str,
    /// What it says of this case, as one sentence.
    pub text: &'static str,
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.clause)
    }
}

macro_rules! reasons {
    ($(#[$doc:meta])* $name:ident { $($variant:ident, $label:literal, $clause:literal, $text:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $text] #[doc = concat!("\n\n", $clause)] $variant,)+
        }

        impl $name {
            /// Every variant, in the order of [`Self::index`].
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// How many variants there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The label of counters, logs and `Cache-Status` details.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            /// The position in [`Self::ALL`], less than [`Self::COUNT`].
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The rule that the outcome follows.
            #[must_use]
            pub const fn rule(self) -> Rule {
                match self { $(Self::$variant => Rule { clause: $clause, text: $text }),+ }
            }
        }

        impl Display for $name {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

reasons! {
    /// Why a stored response is served without asking the origin first.
    HitReason {
        Fresh, "fresh", "RFC 9111 §4.2",
            "Its age is less than its freshness lifetime.";
        WhileRevalidate, "stale_while_revalidate", "RFC 5861 §3",
            "The origin lets it be served stale while it is refreshed in the background.";
        Grace, "stale_grace", "RFC 9111 §4.2.4",
            "The operator lets it be served stale while it is refreshed in the background.";
        MaxStale, "stale_max_stale", "RFC 9111 §5.2.1.2",
            "The client accepts a response as stale as this one.";
        IfError, "stale_if_error", "RFC 5861 §4",
            "The origin failed, and allowed a stale response in that case.";
        ErrorGrace, "stale_error_grace", "RFC 9111 §4.2.4",
            "The origin failed, and the operator allows a stale response in that case.";
    }
}

reasons! {
    /// Why there is nothing stored to begin with.
    MissReason {
        Absent, "absent", "RFC 9111 §4",
            "Nothing is stored for the target URI.";
        Variant, "variant", "RFC 9111 §4.1",
            "The request differs from those stored in a field that Vary names.";
        Partial, "partial", "RFC 9111 §3.3",
            "Only a part is stored, and not the one that is wanted.";
        HitForMiss, "hit_for_miss", "RFC 9111 §4",
            "Nothing is stored; the last response could not be, so no request waits for another's.";
    }
}

reasons! {
    /// Why the origin is asked about a stored response before it may be served.
    RevalidateReason {
        Stale, "stale", "RFC 9111 §4.2.4",
            "Its freshness lifetime is over.";
        MustRevalidate, "must_revalidate", "RFC 9111 §5.2.2.2",
            "Its freshness lifetime is over, and it must not be served stale.";
        NoCache, "no_cache", "RFC 9111 §5.2.2.4",
            "The origin wants it validated before every use.";
        Purged, "soft_purged", "RFC 9111 §4.2.4",
            "An operator marked it stale.";
        HeadDiffered, "head_differed", "RFC 9111 §4.3.5",
            "A response to HEAD said that it is another now.";
        ClientNoCache, "client_no_cache", "RFC 9111 §5.2.1.4",
            "The client wants it validated.";
        ClientMaxAge, "client_max_age", "RFC 9111 §5.2.1.1",
            "It is older than the client accepts.";
        ClientMinFresh, "client_min_fresh", "RFC 9111 §5.2.1.3",
            "It does not stay fresh as long as the client asks.";
    }
}

impl RevalidateReason {
    /// Whether it is a client's wish, and says nothing of the stored response.
    #[must_use]
    pub const fn is_of_client(self) -> bool {
        matches!(self, Self::ClientNoCache | Self::ClientMaxAge | Self::ClientMinFresh)
    }
}

impl HitReason {
    /// Whether the origin was asked, and failed, before.
    #[must_use]
    pub const fn is_after_failure(self) -> bool {
        matches!(self, Self::IfError | Self::ErrorGrace)
    }
}

reasons! {
    /// Why a request goes to the origin without a look at the cache.
    PassReason {
        Method, "method", "RFC 9111 §4",
            "Only GET and HEAD are answered from the cache.";
        NoStore, "request_no_store", "RFC 9111 §5.2.1.5",
            "The client asks that nothing of the exchange be stored.";
        Content, "request_content", "RFC 9110 §9.3.1",
            "Content in a GET or HEAD has no meaning that a key could express.";
        Precondition, "precondition", "RFC 9111 §4.3.2",
            "If-Match and If-Unmodified-Since are for the origin to evaluate.";
        Upgrade, "upgrade", "RFC 9110 §7.8",
            "The client wants to change the protocol.";
        Configured, "configured", "RFC 9211 §2.2",
            "The route is configured not to use the cache.";
        KeyTooLong, "key_too_long", "RFC 9111 §2",
            "A cookie or field that the route's key holds is longer than a key may be.";
    }
}

reasons! {
    /// Why a response is not stored.
    StoreRefusal {
        Method, "method", "RFC 9111 §3",
            "Responses to this method are not cacheable.";
        Head, "head", "RFC 9110 §9.3.2",
            "A response to HEAD has no content to store.";
        RequestNoStore, "request_no_store", "RFC 9111 §5.2.1.5",
            "The client asks that nothing of the exchange be stored.";
        RequestContent, "request_content", "RFC 9110 §9.3.1",
            "The response may depend on content of a GET, which the key does not know.";
        NoStore, "no_store", "RFC 9111 §5.2.2.5",
            "The response forbids it with no-store.";
        Private, "private", "RFC 9111 §5.2.2.7",
            "The response is meant for one user.";
        Authorization, "authorization", "RFC 9111 §3.5",
            "The request was authenticated, and the response does not allow sharing.";
        NotUnderstood, "not_understood", "RFC 9111 §5.2.2.3",
            "The status code must be understood to be cached, and is not.";
        StatusForbids, "status_forbids", "RFC 6585 §3-§6",
            "Responses with this status code must not be stored: 428, 429, 431 and 511.";
        RequestSpecific, "request_specific", "RFC 9110 §15.5",
            "It is about this request's range, precondition or expectation, which no key tells.";
        NotModified, "not_modified", "RFC 9111 §4.3.4",
            "A 304 only updates what is stored.";
        NotFinal, "not_final", "RFC 9111 §3",
            "The response is not final.";
        NotCacheable, "not_cacheable", "RFC 9111 §3",
            "Nothing states how long it stays fresh, and its status gives no default.";
        Unusable, "unusable", "RFC 9111 §4",
            "It is stale from the start and cannot be validated.";
        VaryAny, "vary_any", "RFC 9111 §4.1",
            "It varies on more than the request's fields.";
        SetCookie, "set_cookie", "RFC 9111 §7.3",
            "It sets a cookie, and nothing states that it may be shared.";
        Range, "range", "RFC 9111 §3.3",
            "It is a part that cannot be placed in the whole.";
        Incomplete, "incomplete", "RFC 9111 §3.3",
            "Its content did not arrive in full.";
        TooLarge, "too_large", "RFC 9111 §3",
            "It is larger than the cache stores.";
        NoRoom, "no_room", "RFC 9111 §3",
            "Too much content was on its way into the cache already.";
        Superseded, "superseded", "RFC 9111 §4.4",
            "It was purged, invalidated or made superfluous while it arrived.";
        Configured, "configured", "RFC 9111 §3",
            "The route is configured not to use the cache.";
        KeyTooLong, "key_too_long", "RFC 9111 §2",
            "A cookie or field that the route's key holds is longer than a key may be.";
    }
}

reasons! {
    /// Why a stored response is not served although the origin failed.
    ErrorRefusal {
        Forbidden, "forbidden", "RFC 9111 §4.2.4",
            "A directive forbids serving it stale.";
        WindowOver, "window_over", "RFC 5861 §4",
            "It has been stale for longer than is allowed after an error.";
        NotAnError, "not_an_error", "RFC 5861 §4",
            "Only 500, 502, 503, 504 and a failure to get an answer count as errors.";
    }
}
