//! Files of 16 and of 8 bits: what they compute, and what is refused.

mod common;

use cobasis_run::Network;
use cobasis_run::weights::{Listing, Tensors, Weights};
use common::{Entry, Stored, values, with_entries};

fn refused(bytes: &[u8]) -> String {
    let error = Network::from_bytes(bytes).map(|_| ()).expect_err("a file that is refused");
    let error = error.to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

#[test]
fn files_of_16_and_of_8_bits_compute_what_their_numbers_compute_in_32() {
    let network = common::Network::of_all();
    let plan = network.plan.to_json();
    let images = values(2 * 3 * 16 * 16, 1);
    let logits = |bytes: &[u8]| {
        let mut network = Network::from_bytes(bytes).expect("a network");
        network.run(&images, [2, 3, 16, 16]).expect("logits").to_vec()
    };
    let whole = logits(&network.bytes());
    for stored in [Stored::bf16(&network), Stored::int8(&network)] {
        let metadata = [("format", "cobasis-deployed-1"), ("plan", &plan[..])];
        let got = logits(&stored.bytes());
        assert_eq!(got, logits(&with_entries(&metadata, &stored.same)));
        let error = got.iter().zip(&whole).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error > 0.0 && error < 0.1, "{error}");
        let tensors = Tensors::from_bytes(&stored.bytes()).expect("tensors");
        let is_whole = tensors.weights == Weights::Int8;
        assert_eq!(
            (tensors.tensors.len(), is_whole),
            (network.tensors.len(), !tensors.scales.is_empty())
        );
    }
    // Files that say nothing may have any floating point numbers.
    let mut stored = Stored::bf16(&network);
    let expected = logits(&stored.bytes());
    stored.metadata.retain(|(key, _)| *key != "weights");
    assert_eq!(logits(&stored.bytes()), expected);
}

fn numbers(entry: &mut Entry, change: impl FnOnce(&mut Vec<f32>)) {
    let bytes = entry.bytes.as_chunks().0.iter();
    let mut numbers: Vec<f32> = bytes.map(|&bytes| f32::from_le_bytes(bytes)).collect();
    change(&mut numbers);
    entry.shape = vec![numbers.len()];
    entry.bytes = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
}

fn listing(stored: &mut Stored, change: impl FnOnce(&mut Listing)) {
    let entry = stored.entry("plan");
    let mut listing = Listing::from_bytes(&entry.bytes).expect("a listing");
    change(&mut listing);
    entry.bytes = listing.to_bytes();
    entry.shape = vec![entry.bytes.len()];
}

#[test]
fn whole_numbers_that_do_not_fit_their_scales_are_refused() {
    type Change = fn(&mut Stored);
    let changes: &[(Change, &str)] = &[
        (
            |file| file.entries.retain(|entry| entry.name != "scales"),
            "tensor \"scales\": expected in a file of int8 weights, which has no such tensor",
        ),
        (
            |file| numbers(file.entry("scales"), |scales| scales.push(1.0)),
            "tensor \"scales\": expected 226 numbers, got 227",
        ),
        (
            |file| numbers(file.entry("scales"), |scales| scales.truncate(225)),
            "tensor \"t7\": expected 16 \"scales\" after those before, got 15",
        ),
        (
            |file| numbers(file.entry("scales"), |scales| scales[17] = f32::NAN),
            "tensor \"t13\": output channel 1: expected a scale above 0, got NaN",
        ),
        (
            |file| numbers(file.entry("scales"), |scales| scales[0] = -0.5),
            "tensor \"t0\": output channel 0: expected a scale above 0, got -0.5",
        ),
        (
            |file| numbers(file.entry("scales"), |scales| scales[0] = 0.0),
            "tensor \"t0\": output channel 0: expected a scale above 0, got 0",
        ),
        (
            |file| numbers(file.entry("scales"), |scales| scales[0] = 1e38),
            "tensor \"t0\": output channel 0: expected a scale above 0, got 1000",
        ),
        (
            |file| file.entry("scales").shape.insert(0, 1),
            "tensor \"scales\": expected F32 of one side, got F32 of 2",
        ),
        (
            |file| file.entry("plan").dtype = "I8",
            "tensor \"plan\": expected U8 of one side, got I8 of 1",
        ),
        (
            |file| file.entry("t0").dtype = "U8",
            "tensor \"t0\": expected I8 of two or four sides in a file of int8 weights, got U8 of 4",
        ),
        (
            |file| numbers(file.entry("vectors"), |vectors| vectors.push(1.0)),
            "tensor \"vectors\": expected ",
        ),
        (|file| numbers(file.entry("vectors"), |vectors| vectors.truncate(200)), "among "),
        (|file| file.entry("plan").bytes[9] ^= 255, "tensor \"plan\": "),
        (
            |file| listing(file, |listing| listing.vectors[0].0 = "t0".to_string()),
            "tensor \"t0\": is there twice",
        ),
        (
            |file| listing(file, |listing| listing.vectors[0].1 = vec![usize::MAX, 2]),
            "tensor \"t1\": expected [18446744073709551615, 2] among ",
        ),
        (|file| listing(file, |listing| listing.plan = None), "the file has no plan"),
        (
            |file| listing(file, |listing| listing.plan = Some("{\"version\":2}".to_string())),
            "metadata \"plan\": expected version 1, got 2",
        ),
        (
            |file| file.metadata[1].1 = "int4".to_string(),
            "metadata \"weights\": expected f32, f16, bf16 or int8, got \"int4\"",
        ),
        (
            |file| file.metadata[1].1 = "f32".to_string(),
            "expected F32, as the metadata say (\"weights\": \"f32\"), got ",
        ),
        (
            |file| file.metadata.truncate(1),
            "expected F32, F16 or BF16, as nothing else is said, got ",
        ),
    ];
    let network = common::Network::of_all();
    for (change, said) in changes {
        let mut stored = Stored::int8(&network);
        change(&mut stored);
        let error = refused(&stored.bytes());
        assert!(error.contains(said), "{error}\n{said}");
    }
}

#[test]
fn floating_point_numbers_are_of_the_form_that_the_file_says() {
    let network = common::Network::of_all();
    for (form, said) in [
        (
            "f32",
            "tensor \"t0\": expected F32, as the metadata say (\"weights\": \"f32\"), got BF16",
        ),
        (
            "f16",
            "tensor \"t0\": expected F16, as the metadata say (\"weights\": \"f16\"), got BF16",
        ),
        ("int8", "tensor \"scales\": expected in a file of int8 weights"),
        ("F32", "metadata \"weights\": expected f32, f16, bf16 or int8, got \"F32\""),
    ] {
        let mut stored = Stored::bf16(&network);
        stored.metadata[1].1 = form.to_string();
        let error = refused(&stored.bytes());
        assert!(error.contains(said), "{error}");
    }
    // What is no weight has 32 bits.
    let mut stored = Stored::bf16(&network);
    let bias = stored.entry("t2");
    (bias.dtype, bias.bytes) = ("BF16", vec![0; bias.bytes.len() / 2]);
    let error = refused(&stored.bytes());
    assert!(error.starts_with("tensor \"t2\": expected F32, as the metadata say"), "{error}");
}

#[test]
fn damaged_files_of_16_and_of_8_bits_are_refused_or_run() {
    let network = common::Network::of_all();
    let images = values(3 * 16 * 16, 0);
    for stored in [Stored::bf16(&network), Stored::int8(&network)] {
        let bytes = stored.bytes();
        let header = u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize + 8;
        // The header, and what is packed, which comes last in files of whole numbers.
        let packed = stored.entries.last().map_or(0, |entry| entry.bytes.len());
        let places = values(3000, 9);
        let mut refused = 0;
        for (index, place) in places.iter().enumerate() {
            let mut bytes = bytes.clone();
            let place = ((place + 1.0) / 2.0 * (header + packed) as f32) as usize;
            let end = bytes.len() - 1;
            let place = if place < header { place } else { end.saturating_sub(place - header) };
            bytes[place] = match place < header {
                true => b"0123456789,[]{}\":\\ xu\xff"[index % 22],
                false => bytes[place] ^ (1 << (index % 8)),
            };
            match Network::from_bytes(&bytes) {
                Ok(mut network) => {
                    let _ = network.run(&images, [1, 3, 16, 16]);
                }
                Err(_) => refused += 1,
            }
        }
        assert!(refused > 1500, "{refused} of 3000 were refused");
        for length in (0..bytes.len()).step_by(bytes.len() / 200) {
            assert!(Network::from_bytes(&bytes[..length]).is_err());
        }
    }
}
