//! A deployed model as the plan that its file has: what `cobasis-run` reads.

use std::collections::HashMap;

use burn::nn::PaddingConfig2d;
use cobasis::{Activation, Geometry, Windows};
use cobasis_run::plan::{self, Boxes, Coding, Conv, Plan, Then};

use super::Deployed;
use crate::detector::BoxCoding;
use crate::graph::{Node, Op};

impl Deployed {
    /// What is applied to what, with the names that [`state`](Self::state) gives the tensors; `None` if a
    /// convolution is dilated, or has unequal padding on two sides, which plans have no words for.
    pub fn plan(&self) -> Option<Plan> {
        let names = self.names();
        let nodes = self.plan.nodes.iter().map(|node| self.planned(node, &names));
        let boxes = self.config.model.detector.as_ref().map(|detector| Boxes {
            coding: match detector.coding {
                BoxCoding::Centre => Coding::Centre,
                BoxCoding::Sides => Coding::Sides,
            },
            strides: self.plan.strides.clone(),
        });
        let (version, channels) = (plan::VERSION, self.config.model.in_channels);
        Some(Plan { version, channels, nodes: nodes.collect::<Option<_>>()?, boxes })
    }

    fn planned(&self, node: &Node, names: &HashMap<String, String>) -> Option<plan::Node> {
        let name = |path: String| names.get(&path).cloned().unwrap_or(path);
        let op = match node.op {
            Op::Input => plan::Op::Input,
            Op::Conv(number) => plan::Op::Conv(self.planned_conv(number, name)?),
            Op::Affine(number) => plan::Op::Affine {
                scale: name(format!("affines.{number}.scale")),
                shift: name(format!("affines.{number}.shift")),
            },
            Op::Add => plan::Op::Add,
            Op::Concat => plan::Op::Concat,
            Op::MaxPool(pool) => plan::Op::MaxPool(windows(pool)),
            Op::AvgPool(pool) => plan::Op::AvgPool(windows(pool)),
            Op::Pad { stride, new_channels } => {
                let before = new_channels / 2;
                plan::Op::Pad { stride, before, after: new_channels - before }
            }
            Op::Attention(number) => {
                plan::Op::Attention { filter: name(format!("attentions.{number}.conv.weight")) }
            }
            Op::Upsample => plan::Op::Upsample,
            Op::GlobalAverage => plan::Op::GlobalAverage,
            Op::Pixels => plan::Op::Pixels,
            Op::Head => plan::Op::Linear {
                weight: name("head.weight".to_string()),
                bias: name("head.bias".to_string()),
            },
        };
        let then = match (&op, node.then) {
            (plan::Op::Conv(_) | plan::Op::Affine { .. } | plan::Op::Add, Activation::Relu) => {
                Then::Relu
            }
            (plan::Op::Conv(_) | plan::Op::Affine { .. } | plan::Op::Add, Activation::Relu6) => {
                Then::Relu6
            }
            // What follows other nodes is theirs to do.
            _ => Then::None,
        };
        Some(plan::Node { at: node.path.clone(), op, inputs: node.inputs.clone(), then })
    }

    fn planned_conv(&self, number: usize, name: impl Fn(String) -> String) -> Option<Conv> {
        let conv = &self.convs[number];
        let own = conv.own.as_ref().map(|_| name(format!("convs.{number}.own")));
        let bases = conv.bases.iter().map(|basis| name(format!("bases.{basis}.weight")));
        let [_, _, kernel @ ..] = conv.filter_shape(&self.bases);
        let part = |part: &str| name(format!("convs.{number}.{part}"));
        Some(Conv {
            filters: own.into_iter().chain(bases).collect(),
            scale: conv.scale.as_ref().map(|_| part("scale")),
            bias: conv.bias.as_ref().map(|_| part("bias")),
            stride: conv.geometry.stride,
            padding: padding(&conv.geometry, kernel)?,
            groups: conv.geometry.groups,
        })
    }
}

fn windows(Windows { size, stride, padding }: Windows) -> plan::Windows {
    plan::Windows { size, stride, padding }
}

/// The zeros above and below, left and right, if that says it.
fn padding(geometry: &Geometry, kernel: [usize; 2]) -> Option<[usize; 2]> {
    if geometry.dilation != [1, 1] {
        return None;
    }
    match geometry.padding {
        PaddingConfig2d::Valid => Some([0, 0]),
        PaddingConfig2d::Explicit(top, left, bottom, right) => {
            ([top, left] == [bottom, right]).then_some([top, left])
        }
        // Whether both sides have the same depends on the images, unless it keeps their size.
        PaddingConfig2d::Same => {
            let keeps = geometry.stride == [1, 1] && kernel.iter().all(|side| side % 2 == 1);
            keeps.then_some(kernel.map(|side| side / 2))
        }
    }
}
