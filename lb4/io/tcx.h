/* SPDX-License-Identifier: BSD-2-Clause */
/* Attach points of tcx, which kernels have since 6.6: the headers are older. */
#pragma once

#include <linux/bpf.h>

#define ATTACH_TCX_INGRESS ((enum bpf_attach_type)46)
#define ATTACH_TCX_EGRESS  ((enum bpf_attach_type)47)
