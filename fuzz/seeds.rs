//! Writes small files to start fuzzing from to `corpus/`: `cargo run --release --example seeds`.

use std::error::Error;
use std::fs;
use std::path::Path;

use burn::tensor::Device;
use cobasis_fuzz::model;
use cobasis_train::config::{Config, DIGITS};
use cobasis_zoo::deploy::Weights;
use cobasis_zoo::files::{save, save_deployed};
use cobasis_zoo::pytorch;

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let seed = |target: &str, name: &str, bytes: &[u8]| -> Result<(), Box<dyn Error>> {
        fs::create_dir_all(corpus.join(target))?;
        Ok(fs::write(corpus.join(target).join(name), bytes)?)
    };

    seed("config", "digits", DIGITS.as_bytes())?;
    seed("config", "default", Config::default().to_toml()?.as_bytes())?;
    seed("config", "old", b"train.lambda=3\ntrain.penalty='shared'\noptimizer.lr=1\nseed=3")?;

    let coco = br#"{"images":[{"id":1,"file_name":"a.jpg","width":8,"height":6}],"annotations":[{"id":1,
        "image_id":1,"category_id":3,"bbox":[1,1,4,4],"area":16,"iscrowd":0}],"categories":[{"id":3,
        "name":"b"}]}"#;
    seed("boxes", "coco", &[&[0][..], &coco[..]].concat())?;
    let voc = b"<annotation><size><width>8</width><height>6</height></size><object><name>b</name><bndbox>\
                <xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>";
    seed("boxes", "voc", &[&[1][..], &voc[..]].concat())?;

    // A dictionary with one tensor, as PyTorch pickles it.
    let text =
        |text: &str| [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat();
    let tensor = [
        &b"ctorch._utils\n_rebuild_tensor_v2\n(("[..],
        &text("storage"),
        b"ctorch\nFloatStorage\n",
        &text("0"),
        &text("cpu"),
        b"K\x10tQK\x00K\x04K\x04\x86K\x04K\x01\x86\x89ccollections\nOrderedDict\n)RtR",
    ]
    .concat();
    let dictionary = [b"\x80\x02}(", &text("fc.weight")[..], &tensor, b"u."].concat();
    let nested =
        [b"\x80\x02}", &text("net_state_dict")[..], &dictionary[2..dictionary.len() - 1], b"s."];
    for (name, pickle) in [("plain", dictionary.clone()), ("nested", nested.concat())] {
        for kind in 0..3u8 {
            seed("pickle", &format!("{name}-{kind}"), &[&[kind][..], &pickle].concat())?;
        }
    }
    seed("pickle", "zip", &[&[0][..], &cobasis_fuzz::zipped_pickle(&dictionary)].concat())?;
    seed("pickle", "legacy", &[&[0][..], &cobasis_fuzz::legacy_pickle(&dictionary)].concat())?;

    let device = Device::flex();
    let model = model().init(&device);
    let folder = corpus.join("safetensors");
    fs::create_dir_all(&folder)?;
    save(&model, &folder.join("model"))?;
    for weights in Weights::ALL {
        let deployed = model.deploy(&device).with_weights(weights)?;
        save_deployed(&deployed, folder.join(format!("deployed-{weights}")))?;
    }
    pytorch::save(&model, &folder.join("pytorch"))?;
    // Only the header: what is said there is checked before anything else.
    for name in ["model", "deployed-f32", "deployed-f16", "deployed-int8", "pytorch"] {
        let bytes = fs::read(folder.join(name))?;
        let length = u64::from_le_bytes(bytes[..8].try_into()?) as usize;
        seed("safetensors", &format!("{name}-header"), &bytes[..8 + length])?;
    }

    let mut png = Vec::new();
    let mut encoder = png::Encoder::new(&mut png, 3, 2);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&[128; 18])?;
    seed("image", "png", &png)?;
    seed("image", "jpeg", include_bytes!("../crates/cobasis-train/assets/red-blue.jpg"))?;

    let images = [&[0, 0, 8, 3, 0, 0, 39, 16, 0, 0, 0, 28, 0, 0, 0, 28][..], &[7; 100]].concat();
    let labels = [&[0, 0, 8, 1, 0, 0, 39, 16][..], &[7; 100]].concat();
    for (name, kind, bytes) in [("images", 4, images), ("labels", 2, labels)] {
        seed("idx", name, &[&[kind][..], &bytes].concat())?;
    }
    for kind in 0..8u8 {
        seed("cifar", &format!("{kind}"), &[&[kind][..], b"airplane\nbird\n"].concat())?;
    }

    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in [("batches.meta.txt", 12), ("test_batch.bin", 30_730_000)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes);
        header.set_mode(0o644);
        header.set_cksum();
        let path = format!("cifar-10-batches-bin/{name}");
        archive.append_data(&mut header, path, &[b'x'; 12][..])?;
    }
    seed("archive", "tar", &[&[0][..], &archive.into_inner()?].concat())?;
    Ok(())
}
