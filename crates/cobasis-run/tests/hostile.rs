//! Files that somebody made to do harm, or that were damaged.

mod common;

use cobasis_run::plan::{Op, Then};
use cobasis_run::{Error, Network};
use common::{file, planned, values};
use serde_json::Value;

fn refused(bytes: &[u8]) -> String {
    Network::from_bytes(bytes).map(|_| ()).expect_err("a file that is refused").to_string()
}

#[test]
fn what_is_no_deployed_file_with_a_plan_is_refused_with_one_line() {
    let format = ("format", "cobasis-deployed-1");
    for (bytes, said) in [
        (vec![], "not a valid safetensors file: expected at least 8 bytes, got 0"),
        (
            b"PK\x03\x04 and so on".to_vec(),
            "not a valid safetensors file: expected a header of at most",
        ),
        (
            file(&[], &[]),
            "not a deployed model: expected the metadata \"format\" \"cobasis-deployed-1\", got none",
        ),
        (file(&[("format", "cobasis-1")], &[]), "got \"cobasis-1\"; `cobasis deploy` makes one"),
        (
            file(&[format], &[]),
            "the file has no plan, since an older version of cobasis wrote it: deploy",
        ),
        (file(&[format, ("plan", "{}")], &[]), "metadata \"plan\": missing field `version`"),
        (
            file(&[format, ("plan", "{\"version\":2}")], &[]),
            "metadata \"plan\": expected version 1, got 2",
        ),
        (
            file(&[format, ("plan", "{\"version\":1}")], &[]),
            "metadata \"plan\": missing field `channels`",
        ),
    ] {
        let error = refused(&bytes);
        assert!(error.contains(said) && !error.contains('\n'), "{error}");
    }
    let path = std::env::temp_dir().join(format!("cobasis-run-{}", std::process::id()));
    std::fs::write(&path, file(&[format], &[])).expect("written");
    let error = Network::open(&path).map(|_| ()).expect_err("no plan");
    assert!(error.to_string().starts_with(&format!("{}: the file has no plan", path.display())));
    assert!(matches!(error, Error::File { problem, .. } if matches!(*problem, Error::NoPlan)));
    std::fs::remove_file(&path).expect("removed");
    assert!(matches!(Network::open(&path), Err(Error::Io { .. })));
}

#[test]
fn plans_that_do_not_fit_say_where() {
    type Change = fn(&mut common::Network);
    let changes: &[(Change, &str)] = &[
        (
            |network| network.plan.nodes[3].inputs = vec![3],
            "node 3 (at \"node3\"): expected inputs before it, got node 3",
        ),
        (
            |network| network.plan.nodes[3].inputs = vec![9],
            "node 3 (at \"node3\"): expected inputs before it, got node 9",
        ),
        (
            |network| network.plan.nodes[3].inputs = vec![0],
            "tensor \"t3\": expected the shape [filters, 3 / 1, height, width], got \"[3, 16, 3, 3]\"",
        ),
        (
            |network| network.plan.nodes[2].inputs = vec![],
            "node 2 (at \"node2\"): expected from 1 to 1 inputs, got 0",
        ),
        (
            |network| network.plan.nodes[2].op = Op::Input,
            "node 2 (at \"node2\"): expected from 0 to 0 inputs, got 1",
        ),
        (
            |network| network.plan.nodes[2].then = Then::Relu,
            "node 2 (at \"node2\"): expected nothing applied to its output, got Relu",
        ),
        (
            |network| network.plan.nodes.truncate(20),
            "node 19 (at \"node19\"): expected a classifier or a detector's pixels as the last node",
        ),
        (
            |network| network.plan.nodes.truncate(1),
            "metadata \"plan\": expected from 2 to 20000 nodes, got 1",
        ),
        (
            |network| network.plan.channels = 4,
            "tensor \"t0\": expected the shape [filters, 4 / 1, height, width]",
        ),
        (
            |network| network.tensors[3].1 = vec![3, 16, 3, 2],
            "tensor \"t4\": expected the shape [filters, 16, 3, 2], got",
        ),
        (
            |network| network.tensors[5].1 = vec![34],
            "tensor \"t5\": expected the shape [35], got \"[34]\"",
        ),
        (
            |network| {
                network.tensor(&[1]);
            },
            "expected a node that uses it, got none",
        ),
        (
            |network| {
                network.tensors.remove(0);
            },
            "tensor \"t0\": expected in the file, which has no such tensor",
        ),
        (
            |network| {
                let last = network.plan.nodes.len() - 1;
                network.plan.nodes[last].inputs = vec![1];
            },
            "expected the shape [16, from 1 to 65536]",
        ),
        (
            |network| {
                let (scale, shift) = ("t1".to_string(), "t2".to_string());
                network.plan.nodes[2].op = Op::Affine { scale, shift };
                network.plan.nodes[5].inputs = vec![2];
                network.plan.nodes[4].inputs.pop();
            },
            "node 4 (at \"node4\"): expected a node that takes its output, got none",
        ),
        (
            |network| network.plan.nodes[2].inputs = vec![usize::MAX],
            "expected inputs before it, got node 18446744073709551615",
        ),
    ];
    for (change, said) in changes {
        let mut network = common::Network::of_all();
        change(&mut network);
        let error = refused(&network.bytes());
        assert!(error.contains(said), "{error}\n{said}");
    }
}

#[test]
fn maps_that_would_take_all_memory_are_refused_before_they_get_any() {
    // Each node is allowed for itself; together they keep a terabyte for a small image.
    let mut network = common::Network::new(1);
    let many = Op::Pad { stride: 1, before: 0, after: 65535 };
    let mut sum = network.push(many.clone(), &[0], Then::None);
    let maps: Vec<usize> =
        (0..5000).map(|_| network.push(many.clone(), &[0], Then::None)).collect();
    for one in maps {
        sum = network.push(Op::Add, &[sum, one], Then::None);
    }
    let means = network.push(Op::GlobalAverage, &[sum], Then::None);
    let (weight, bias) = (network.tensor(&[65536, 2]), network.tensor(&[2]));
    network.push(Op::Linear { weight, bias }, &[means], Then::None);
    let mut network = Network::from_bytes(&network.bytes()).expect("a network");
    let error =
        network.run(&values(32 * 32, 0), [1, 1, 32, 32]).map(|_| ()).expect_err("too large");
    assert!(
        error.to_string().starts_with("images: expected less than 2147483648 numbers"),
        "{error}"
    );
}

/// All numbers of a plan, one after the other, become these.
fn each_number(value: &Value, hostile: &Value, change: &mut dyn FnMut(Value)) {
    match value {
        Value::Number(_) => change(hostile.clone()),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                each_number(item, hostile, &mut |item| {
                    let mut items = items.clone();
                    items[index] = item;
                    change(Value::Array(items));
                });
            }
        }
        Value::Object(entries) => {
            for (key, item) in entries {
                each_number(item, hostile, &mut |item| {
                    let mut entries = entries.clone();
                    entries[key] = item;
                    change(Value::Object(entries));
                });
            }
        }
        _ => {}
    }
}

#[test]
fn a_thousand_mutated_files_are_refused() {
    let network = common::Network::of_all();
    let plan = serde_json::to_value(&network.plan).expect("JSON");
    let mut count = 0;
    for hostile in
        ["65537", "4294967296", "18446744073709551615", "-1", "1e30", "null", "[]", "\"1\""]
    {
        let hostile = serde_json::from_str(hostile).expect("JSON");
        each_number(&plan, &hostile, &mut |plan| {
            count += 1;
            let plan = plan.to_string();
            let error = refused(&planned(&plan, &network.tensors));
            assert!(!error.contains('\n'), "{error}");
        });
    }
    assert!(count > 800, "{count} numbers");
    let bytes = network.bytes();
    for length in (0..bytes.len()).step_by(bytes.len() / 400) {
        refused(&bytes[..length]);
        count += 1;
    }
    assert!(count > 1000, "{count} files");
}

#[test]
fn damaged_files_are_refused_or_run() {
    let network = common::Network::of_all();
    let bytes = network.bytes();
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize + 8;
    let images = values(3 * 16 * 16, 0);
    let places = values(4000, 9);
    let mut ran = 0;
    for (index, place) in places.chunks_exact(2).enumerate() {
        let mut bytes = bytes.clone();
        let place_of = |at: f32| ((at + 1.0) / 2.0 * header as f32) as usize % header;
        bytes[place_of(place[0])] = b"0123456789,[]{}\":\\ xu\xff"[index % 22];
        if index % 3 == 0 {
            bytes[place_of(place[1])] = b'0' + (index % 10) as u8;
        }
        if let Ok(mut network) = Network::from_bytes(&bytes) {
            let _ = network.run(&images, [1, 3, 16, 16]);
            ran += 1;
        }
    }
    assert!(ran < 1000, "{ran} of 2000 ran");
}
