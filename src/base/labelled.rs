//! Enums whose variants are labels of a metric: the list of all of them cannot miss one.

/// Declares such an enum, each variant with its label.
macro_rules! labelled {
    ($(#[$about:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident $label:literal)* }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name {
            $($(#[$doc])* $variant,)*
        }

        impl $name {
            $vis const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in metrics.
            $vis fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)*
                }
            }
        }
    };
}
pub(crate) use labelled;
