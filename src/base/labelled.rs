//! Enums whose variants are labels of a metric: the list of all of them cannot miss one.

/// Declares such an enum, each variant with its label.
macro_rules! labelled {
    ($(#[$about:meta])* enum $name:ident { $($(#[$doc:meta])* $variant:ident $label:literal)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in metrics.
            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }
        }
    };
}
pub(crate) use labelled;
