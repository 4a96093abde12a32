//! Encoded texts have ones where PyTorch's one_hot has them. The figures are from `scripts/reference/text_pytorch.py`.

use serde_json::Value;
use striate_text::{Encoder, TextEncoding};

#[test]
fn planes_match_pytorch() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("texts.json")).unwrap();
    assert!(cases.len() > 5);
    for case in cases {
        let (alphabet, text) = (case["alphabet"].as_str().unwrap(), case["text"].as_str().unwrap());
        let length = case["length"].as_u64().unwrap() as usize;
        let encoding = TextEncoding { alphabet: alphabet.into(), length };
        let [planes, _, columns] = encoding.output_shape();
        let values = Encoder::new(encoding).unwrap().encode(text);
        let mut expected = vec![0.0; planes * columns];
        for one in case["ones"].as_array().unwrap() {
            let [plane, column] = [0, 1].map(|axis| one[axis].as_u64().unwrap() as usize);
            expected[plane * columns + column] = 1.0;
        }
        assert_eq!(values, expected, "{text}");
    }
}
