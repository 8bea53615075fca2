//! Enums whose values have names on the wire. [`named!`](crate::named!) declares such an enum in one place: its names,
//! their parsing, serde, the JSON schema and the descriptions in help texts are all derived from it.

use std::str::FromStr;

use crate::InvalidValue;

/// An enum whose values have names on the wire, with a description of each value.
pub trait Named: Copy + PartialEq + FromStr<Err = InvalidValue> + Send + Sync + 'static {
    /// Every value with its name and its description, in the order of declaration.
    const VALUES: &'static [(Self, &'static str, &'static str)];

    /// The description of the value, in a sentence or two.
    #[must_use]
    fn description(self) -> &'static str {
        let found = Self::VALUES.iter().find(|(value, ..)| *value == self);
        found.map_or("", |(.., description)| description.trim_start())
    }
}

/// Declares enums with named values: `Value = "name"` after a sentence that describes the value. The code in
/// parentheses after the enum's name is that of the [`crate::InvalidValue`] for any other text; the default value can
/// follow it.
#[macro_export]
macro_rules! named {
    ($(
        $(#[$meta:meta])*
        $vis:vis enum $type:ident($code:literal $(, default $default:ident)?) {
            $( $(#[doc = $doc:literal])+ $value:ident = $name:literal, )+
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        $vis enum $type {
            $( $(#[doc = $doc])+ #[serde(rename = $name)] $value, )+
        }

        impl $type {
            /// Every value, in the order of declaration.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$value),+];

            /// The name on the wire and in the table.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $name,)+
                }
            }
        }

        $(impl Default for $type {
            fn default() -> Self {
                Self::$default
            }
        })?

        impl $crate::Named for $type {
            const VALUES: &'static [(Self, &'static str, &'static str)] =
                &[$((Self::$value, $name, concat!($($doc),+))),+];
        }

        impl ::std::fmt::Display for $type {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl ::std::str::FromStr for $type {
            type Err = $crate::InvalidValue;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                const NAMES: &str = concat!("must be one of ", $($name, ", "),+);
                let found = Self::ALL.into_iter().find(|value| value.as_str() == text);
                found.ok_or($crate::InvalidValue::new($code, NAMES.split_at(NAMES.len() - ", ".len()).0))
            }
        }
    )+};
}

#[cfg(test)]
mod tests {
    use crate::{InvalidValue, Named, State};

    #[test]
    fn a_name_is_read_written_and_described() {
        for (state, name, _) in State::VALUES {
            assert_eq!((name.parse(), state.to_string().as_str()), (Ok(*state), *name));
            assert_eq!(serde_json::to_value(state).unwrap(), *name);
        }
        assert_eq!(State::Active.description(), "Runs and is billed.");
    }

    #[test]
    fn another_text_is_refused_with_the_names() {
        let detail = "must be one of trial, active, past_due, paused, suspended, cancelled, archived";
        assert_eq!("Active".parse::<State>(), Err(InvalidValue::new("invalid_state", detail)));
    }
}
