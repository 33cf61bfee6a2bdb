//! Names in files.

use std::borrow::Cow;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ModelName;
use crate::registry::Entry;

/// A name of the zoo is its text. One of your own has the network's entry too.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written<'a> {
    Name(Cow<'a, str>),
    Own { network: Cow<'a, Entry>, sharing: Option<String> },
}

impl Serialize for ModelName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let written = match self.is_registered() {
            true => Written::Name(self.to_string().into()),
            false => Written::Own { network: Cow::Borrowed(&*self.entry), sharing: self.suffix() },
        };
        written.serialize(to)
    }
}

impl<'de> Deserialize<'de> for ModelName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = match Written::deserialize(from)? {
            Written::Name(name) => name.parse(),
            Written::Own { network, sharing } => {
                ModelName::own(network.into_owned()).and_then(|dense| match sharing {
                    Some(suffix) => dense.with_sharing(&suffix),
                    None => Ok(dense),
                })
            }
        };
        name.map_err(D::Error::custom)
    }
}
