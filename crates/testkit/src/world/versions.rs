//! The versions of iTop that a story runs with: one test per version or pair of versions.

use itop_sim::Version;

/// The versions that an external may have.
pub const BOTH: [Version; 2] = [Version::V3_1, Version::V3_2];

/// The versions of a customer's iTop and of the provider's.
#[derive(Debug, Clone, Copy)]
pub struct Versions {
    pub external: Version,
    pub internal: Version,
}

/// Every pair of versions.
pub const PAIRS: [Versions; 4] = [
    Versions { external: Version::V3_1, internal: Version::V3_1 },
    Versions { external: Version::V3_1, internal: Version::V3_2 },
    Versions { external: Version::V3_2, internal: Version::V3_1 },
    Versions { external: Version::V3_2, internal: Version::V3_2 },
];

/// Each story as two tests: an external iTop 3.1 and a 3.2, each with an internal 3.2.
#[macro_export]
macro_rules! external_of_both_versions {
    ($($story:ident),+ $(,)?) => {$(
        $crate::tests_of!($story {
            external_3_1: itop_sim::Version::V3_1;
            external_3_2: itop_sim::Version::V3_2;
        });
    )+};
}
pub use crate::external_of_both_versions;

/// Each story as two tests: either version on either side.
#[macro_export]
macro_rules! either_version_on_either_side {
    ($($story:ident),+ $(,)?) => {$(
        $crate::tests_of!($story {
            from_3_1_to_3_2: $crate::world::PAIRS[1];
            from_3_2_to_3_1: $crate::world::PAIRS[2];
        });
    )+};
}
pub use crate::either_version_on_either_side;

/// Each story as four tests.
#[macro_export]
macro_rules! every_pair_of_versions {
    ($($story:ident),+ $(,)?) => {$(
        $crate::tests_of!($story {
            from_3_1_to_3_1: $crate::world::PAIRS[0];
            from_3_1_to_3_2: $crate::world::PAIRS[1];
            from_3_2_to_3_1: $crate::world::PAIRS[2];
            from_3_2_to_3_2: $crate::world::PAIRS[3];
        });
    )+};
}
pub use crate::every_pair_of_versions;

/// A story, as one test per argument.
#[macro_export]
macro_rules! tests_of {
    ($story:ident { $($name:ident: $with:expr;)+ }) => {
        mod $story {
            $(
                #[tokio::test(start_paused = true)]
                async fn $name() {
                    super::$story($with).await;
                }
            )+
        }
    };
}
pub use crate::tests_of;
