//! What is applied to what: the part of a deployed file that says how its tensors make a network.
//!
//! It stands as JSON in the file's metadata, under [`KEY`]. Nothing in it is trusted before it was
//! checked against the tensors.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The entry of the metadata that has the plan.
pub const KEY: &str = "plan";
/// The version of plans that this crate reads and writes.
pub const VERSION: u64 = 1;

/// A network: nodes in an order in which each comes after its inputs. The last one is the output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`VERSION`].
    pub version: u64,
    /// The channels of the images.
    pub channels: usize,
    /// The steps of the computation, of which the first is [`Op::Input`].
    pub nodes: Vec<Node>,
    /// How the numbers of a detector become boxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boxes: Option<Boxes>,
}

/// One step of the computation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Where in the network it is, for messages.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub at: String,
    /// What is computed.
    pub op: Op,
    /// The numbers of the nodes whose outputs it takes.
    pub inputs: Vec<usize>,
    /// What is applied to the output of a convolution, of an affine map or of a sum.
    #[serde(default, skip_serializing_if = "Then::is_none")]
    pub then: Then,
}

/// What a node computes. Tensors are called by their names in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// The images.
    Input,
    /// A convolution of the first input; a second one is added to its output.
    Conv(Conv),
    /// `scale · x + shift`, with a number of each for each channel.
    Affine {
        /// `[channels]`
        scale: String,
        /// `[channels]`
        shift: String,
    },
    /// The sum of two inputs.
    Add,
    /// The inputs, joined along the channels.
    Concat,
    /// The maximum of each window.
    MaxPool(Windows),
    /// The mean of each window; what is outside the maps counts as zeros.
    AvgPool(Windows),
    /// Every `stride`-th pixel down and across, between channels of zeros.
    Pad {
        /// Pixels from one that stays to the next.
        stride: usize,
        /// Channels of zeros before the others.
        before: usize,
        /// Channels of zeros after them.
        after: usize,
    },
    /// Each channel times the sigmoid of a convolution along the means of the channels.
    Attention {
        /// `[1, 1, neighbours]`, of which there is an odd number.
        filter: String,
    },
    /// The first input with each pixel twice down and across, cut to the size of the second.
    Upsample,
    /// The mean of each map.
    GlobalAverage,
    /// The classifier, `x · weight + bias`: the last node.
    Linear {
        /// `[inputs, outputs]`
        weight: String,
        /// `[outputs]`
        bias: String,
    },
    /// The channels of each pixel of all inputs: the last node of a detector.
    Pixels,
}

/// A convolution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Tensors `[filters, channels / groups, height, width]`; the filters of the first give the first
    /// channels of the output.
    pub filters: Vec<String>,
    /// `[filters]`, a factor for each output channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<String>,
    /// `[filters]`, a summand for each output channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bias: Option<String>,
    /// Steps down and across.
    pub stride: [usize; 2],
    /// Zeros above and below, left and right.
    pub padding: [usize; 2],
    /// Groups that share no channels.
    pub groups: usize,
}

/// Windows that move over maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// Height and width.
    pub size: [usize; 2],
    /// Steps down and across.
    pub stride: [usize; 2],
    /// Pixels outside the maps above and below, left and right.
    pub padding: [usize; 2],
}

/// What is applied to single numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Nothing.
    #[default]
    None,
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
}

/// What a detector's numbers mean. Each point has four for its box, one for whether there is a thing, and
/// one for each class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boxes {
    /// What the four numbers of a box are.
    pub coding: Coding,
    /// Pixels of the image from a point to the next, for each input of the last node.
    pub strides: Vec<usize>,
}

/// What the four numbers of a box are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coding {
    /// The middle, from the upper left corner of the point's pixel, and the logarithms of width and
    /// height; all over the stride.
    Centre,
    /// The logarithms of the distances from the point to the left, upper, right and lower edge, over the
    /// stride.
    Sides,
}

impl Then {
    fn is_none(&self) -> bool {
        *self == Then::None
    }
}

impl Plan {
    /// Reads what stands under [`KEY`].
    ///
    /// # Errors
    ///
    /// [`Error::Version`] if it is of another version, and [`Error::Plan`] if it is no plan.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct Head {
            version: u64,
        }
        let wrong = |error: serde_json::Error| Error::Plan(error.to_string());
        // Another version may have other keys. As bytes, like a file's header: for texts there would be a second
        // reader of JSON, a part of each module for browsers.
        let Head { version } = serde_json::from_slice(text.as_bytes()).map_err(wrong)?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        serde_json::from_slice(text.as_bytes()).map_err(wrong)
    }

    /// What stands under [`KEY`].
    pub fn to_json(&self) -> String {
        // Only maps with keys that are no strings can't be written.
        serde_json::to_string(self).expect("plain data is JSON")
    }
}
