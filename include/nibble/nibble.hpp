// SPDX-License-Identifier: BSL-1.0
// nibble in one include: values, storage, quantization, kernels, layers, optimizers, the trainer.
//
// Apart, because not every program wants them and every inclusion would pay:
//     <nibble/model/gpt2.hpp>, <nibble/model/generate.hpp>     a language model and its text
//     <nibble/model/load.hpp>, <nibble/model/save.hpp>         files; they need nlohmann-json, which
//                                                              alone takes longer than all of this
//     <nibble/neuro/lif.hpp>, <nibble/neuro/burst.hpp>         spiking neurons and networks
#pragma once

#include <nibble/layer/activation.hpp>
#include <nibble/layer/attention.hpp>
#include <nibble/layer/conv2d.hpp>
#include <nibble/layer/dropout.hpp>
#include <nibble/layer/embedding.hpp>
#include <nibble/layer/linear.hpp>
#include <nibble/layer/loss.hpp>
#include <nibble/layer/mlp.hpp>
#include <nibble/layer/norm.hpp>
#include <nibble/layer/pool2d.hpp>
#include <nibble/layer/residual.hpp>
#include <nibble/layer/sequential.hpp>
#include <nibble/layer/split_attention.hpp>
#include <nibble/optim/adamw.hpp>
#include <nibble/optim/schedule.hpp>
#include <nibble/optim/sgd.hpp>
#include <nibble/quant/dispatch.hpp>
#include <nibble/store/array.hpp>
#include <nibble/train/trainer.hpp>
