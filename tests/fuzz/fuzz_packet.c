// SPDX-License-Identifier: BSD-2-Clause
/*
 * The program of the fast path, fed with packets one after the other: of clients, of backends and of
 * routers, valid at first and then bent. An input is a list of steps:
 *
 *	what	the low 4 bits: the kind of packet, below; bit 4: IPv6; bits 5 and 6: which client
 *	how	HOW_*
 *	edits	so many (0 … 7) pairs follow: a place, and the byte that comes there
 *	cut	so many bytes are missing at the end
 *
 * What passes is as it was, what is sent on is as whole as it came: the same size, the same payload, one
 * hop less, and sums that are as right or as wrong as before. What is for no VIP and from no backend
 * is nobody's business. Nothing is left half done.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "lb4_hash.h"
#include "vip_table.h"

#include "../bpf/packets.h"
#include "fuzz.h"
#include "host_program.h"

#define STEPS_MAX 48

#define HOW_FINISH    0x01 /* checksums are made right after the edits */
#define HOW_CHECKSUM  0x06 /* the kernel's state of them */
#define HOW_BUNDLE    0x08 /* a byte follows: of segments of that size, times 8 */
#define HOW_UNREAD    0x10 /* a byte follows: no more than that can be read at first */
#define HOW_TIME      0x20 /* a byte follows: so many ticks later */
#define HOW_KERNEL    0x40 /* a byte follows: KERNEL_* */
#define HOW_ELSEWHERE 0x80 /* comes in by an interface that is not ours */

#define KERNEL_SOCKET	  0x0f /* the state of the machine's own socket */
#define KERNEL_FAILS	  0x10
#define KERNEL_NO_STATE	  0x20 /* it does not tell of checksums */
#define KERNEL_CPU	  0x40
#define KERNEL_TAKES_NONE 0x80 /* new flows are not taken from now on, or are again */

#define OURS	     "10.0.0.1"
#define OURS6	     "fd00::1"
#define INTERFACE    5
#define WAY_OUT	     6
#define PORT_LOW     20000
#define PORT_COUNT   12
#define BACKEND_PORT 8080
#define CLIENT_PORT  40000
#define N_BACKENDS   4 /* of each family; the last one cannot be reached */
#define RING_SIZE    251

static const char *const vips[] = {"192.0.2.1", "2001:db8::1"};
static const char *const clients[] = {"198.51.100.7", "2001:db8:c::7"};
static const char *const ours[] = {OURS, OURS6};

/* Kinds of packets: clients' to the VIP, then backends' of the client's flow, then others. */
static const struct kind {
	uint8_t flags;
	uint16_t mss;
	uint8_t padding, n_payload;
} kinds[] = {
	{SYN, 1460, 0, 0},    {SYN, 8960, 5, 0},    {ACK, 0, 0, 0},	  {ACK, 0, 12, 40},
	{FIN | ACK, 0, 0, 1}, {RST, 0, 0, 0},	    {SYN | FIN, 0, 0, 0}, {SYN | ACK, 65495, 3, 0},
	{ACK, 0, 0, 100},     {FIN | ACK, 0, 0, 0}, {RST, 0, 0, 0},
};
#define FIRST_OF_BACKENDS 7
#define N_SEGMENTS	  11
#define KIND_BIG	  11 /* a client's, of 1500 bytes of payload */
#define KIND_STRANGE	  12 /* to another address */
#define KIND_TO_CLIENT	  13 /* an ICMP error about a packet to the client */
#define KIND_TO_BACKEND	  14 /* … to the backend */
#define KIND_RAW	  15 /* a byte, and so many bytes */

static void set_ip(uint8_t ip[16], const char *text)
{
	memset(ip, 0, 16);
	if (strchr(text, ':')) {
		assert(inet_pton(AF_INET6, text, ip) == 1);
		return;
	}
	ip[10] = ip[11] = 0xff;
	assert(inet_pton(AF_INET, text, ip + 12) == 1);
}

/* --- The world --- */

static void make_backends(void)
{
	for (uint8_t i = 0; i < 2 * N_BACKENDS; i++) {
		struct lb4_backend *b = &host_maps.backends[i];
		bool ipv6 = i >= N_BACKENDS;

		set_ip(b->address, ipv6 ? "fd00::10" : "10.0.0.10");
		b->address[15] = (uint8_t)(b->address[15] + i % N_BACKENDS);
		set_ip(b->source, ours[ipv6]);
		b->port = htons(BACKEND_PORT);
		b->reachable = i % N_BACKENDS != N_BACKENDS - 1;
		b->interface = WAY_OUT;
		b->mss_max = ipv6 ? 1440 : 1460;
		b->service = ipv6;
		if (i % N_BACKENDS == 1) {
			set_ip(b->gateway, "fd00::99");
			b->gateway_family = AF_INET6;
		}
	}
}

static void make_vips(void)
{
	struct vip_entry entries[4] = {};

	for (uint16_t i = 0; i < 2; i++) {
		struct lb4_vip *v = &host_maps.vips[i];

		set_ip(v->address, vips[i]);
		v->port = htons(80);
		v->service = i;
		entries[2 * i] = (struct vip_entry){.port = v->port, .vip = i};
		entries[2 * i + 1] = (struct vip_entry){.vip = i};
		memcpy(entries[2 * i].address, v->address, 16);
		memcpy(entries[2 * i + 1].address, v->address, 16);
	}
	memset(host_maps.vip_buckets, 0xff, sizeof(host_maps.vip_buckets));
	assert(vip_table_build(host_maps.vip_buckets, entries, 4, 1,
			       &host_maps.control.vip_seed[0]) == 0);
}

static void make_world(void)
{
	static const uint8_t owners[16] = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 3};
	struct lb4_control *c = &host_maps.control;

	*c = (struct lb4_control){.flow_mask = HOST_FLOWS - 1,
				  .line_mask = HOST_LINES - 1,
				  .n_backends = HOST_BACKENDS,
				  .port_low = PORT_LOW,
				  .port_count = PORT_COUNT,
				  .answer_low = PORT_LOW - 100,
				  .answer_count = PORT_COUNT + 200};
	lb4_hash_key_init(&c->choice, 1);
	lb4_hash_key_init(&c->flows[0], 2);
	lb4_hash_key_init(&c->flows[1], 3);
	make_backends();
	make_vips();
	for (uint32_t i = 0; i < 2; i++) {
		host_maps.services[i] = (struct lb4_service){.ring = i,
							     .ring_size = RING_SIZE,
							     .hash_source = (uint8_t)i,
							     .mask_ipv4 = 24,
							     .mask_ipv6 = 128,
							     .accepts = 1};
		for (uint16_t slot = 0; slot < RING_SIZE; slot++)
			host_maps.ring[i].owner[slot] =
				slot % 16 ? (uint16_t)(owners[slot % 16] + N_BACKENDS * i)
					  : (uint16_t)LB4_RING_NONE;
	}
	host_maps.interfaces[2] = (struct lb4_interface){
		.index = INTERFACE, .mac = {2, 0, 0, 0, 0, 9}, .mss_max = 1460};
}

/* What programs and steps change; the rest stays from one input to the next. */
static void reset_world(void)
{
	if (!host_maps.services[0].ring_size)
		make_world();
	memset(host_maps.flows, 0, sizeof(host_maps.flows));
	memset(host_maps.lines, 0, sizeof(host_maps.lines));
	memset(host_maps.backend_counters, 0, sizeof(host_maps.backend_counters));
	memset(host_maps.verdict_counters, 0, sizeof(host_maps.verdict_counters));
	host_maps.control.accepts = 1;
	host_kernel = (struct host_kernel){.nanoseconds = 1ull << 40};
}

/* --- Packets --- */

static const struct lb4_flow *flow_of(bool ipv6, uint16_t client_port)
{
	for (size_t i = 0; i < HOST_FLOWS; i++) {
		const struct lb4_flow *f = &host_maps.flows[i];

		if (f->tag >= LB4_TAG_FIRST && f->vip == ipv6 &&
		    f->client_port == htons(client_port))
			return f;
	}
	return NULL;
}

static struct segment client_segment(const struct kind *k, bool ipv6, uint16_t port)
{
	struct segment s = {.from_port = port,
			    .to_port = 80,
			    .sequence = k->flags & SYN ? 1000 : 1001,
			    .acknowledged = k->flags & ACK ? 5001 : 0,
			    .flags = k->flags,
			    .hops = 64,
			    .mss = k->mss,
			    .padding = k->padding,
			    .n_payload = k->n_payload};

	strcpy(s.from, clients[ipv6]);
	strcpy(s.to, vips[ipv6]);
	return s;
}

/* Of the client's flow; without one, of none. */
static struct segment backend_segment(const struct kind *k, bool ipv6, uint16_t client_port)
{
	const struct lb4_flow *f = flow_of(ipv6, client_port);
	struct segment s = client_segment(k, ipv6, BACKEND_PORT);
	const struct lb4_backend *b = &host_maps.backends[f ? f->backend : N_BACKENDS * ipv6];

	inet_ntop(ipv6 ? AF_INET6 : AF_INET, b->address + (ipv6 ? 0 : 12), s.from, sizeof(s.from));
	strcpy(s.to, ours[ipv6]);
	s.to_port = f ? ntohs(f->port) : PORT_LOW;
	s.sequence = k->flags & SYN ? 5000 : 5001;
	s.acknowledged = 1001;
	return s;
}

static void swap_ends(struct segment *s)
{
	struct segment was = *s;

	memcpy(s->from, was.to, sizeof(s->from));
	memcpy(s->to, was.from, sizeof(s->to));
	s->from_port = was.to_port;
	s->to_port = was.from_port;
}

static void make_error(struct frame *f, unsigned what, bool ipv6, uint16_t port)
{
	struct segment s = what == KIND_TO_CLIENT ? client_segment(&kinds[2], ipv6, port)
						  : backend_segment(&kinds[2], ipv6, port);
	struct frame about;

	swap_ends(&s);
	frame_make(&about, &s);
	frame_quote(f, ipv6 ? "2001:db8:9::1" : "203.0.113.9", &about, 1400);
}

static void make_raw(struct frame *f, struct fuzz_input *in)
{
	*f = (struct frame){.size = fuzz_take_byte(in)};
	for (size_t i = 0; i < f->size; i++)
		f->data[i] = fuzz_take_byte(in);
	if (f->size < 14)
		f->size = 14; /* shorter ones do not come this far */
}

static void make_packet(struct frame *f, uint8_t what, struct fuzz_input *in)
{
	uint16_t port = (uint16_t)(CLIENT_PORT + (what >> 5 & 3));
	unsigned kind = what & 15u;
	bool ipv6 = what & 16;
	struct segment s;

	if (kind == KIND_RAW) {
		make_raw(f, in);
		return;
	}
	if (kind == KIND_TO_CLIENT || kind == KIND_TO_BACKEND) {
		make_error(f, kind, ipv6, port);
		return;
	}
	s = kind >= FIRST_OF_BACKENDS && kind < N_SEGMENTS
		    ? backend_segment(&kinds[kind], ipv6, port)
		    : client_segment(&kinds[kind < N_SEGMENTS ? kind : 3], ipv6, port);
	if (kind == KIND_BIG)
		s.n_payload = 1500;
	if (kind == KIND_STRANGE)
		strcpy(s.to, ipv6 ? "2001:db8::2" : "192.0.2.2");
	frame_make(f, &s);
}

/* --- What must hold --- */

static bool is_ipv4(const struct frame *f)
{
	return f->data[12] == 0x08 && f->data[13] == 0x00 && f->size >= 14 + 20;
}

static bool is_ipv6(const struct frame *f)
{
	return f->data[12] == 0x86 && f->data[13] == 0xdd && f->size >= 14 + 40;
}

static size_t transport_at(const struct frame *f)
{
	return 14 + (frame_is_ipv6(f) ? 40 : 20);
}

/* Of the IP packet, as its header has it; a bundle may be too long for that. */
static size_t claimed_size(const struct frame *f, bool bundle)
{
	const uint8_t *ip = f->data + 14;
	size_t size =
		frame_is_ipv6(f) ? (size_t)(ip[4] << 8 | ip[5]) : (size_t)(ip[2] << 8 | ip[3]);

	if (size == 0 && bundle)
		return f->size - 14;
	return size + (frame_is_ipv6(f) && size ? 40 : 0);
}

static uint32_t sum(const uint8_t *p, size_t size, uint32_t before)
{
	for (size_t i = 0; i < size; i++)
		before += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return before;
}

/* Both zeros are one. */
static uint32_t residue(uint32_t n)
{
	return n % 0xffff;
}

/* By how much a sum is wrong: that of the header, and that of what it carries. */
static uint32_t header_error(const struct frame *f)
{
	return frame_is_ipv6(f) ? 0 : residue(sum(f->data + 14, 20, 0));
}

static uint32_t pseudo_sum(const struct frame *f, size_t size, uint8_t protocol)
{
	return frame_is_ipv6(f) ? sum(f->data + 14 + 8, 32, (uint32_t)size + protocol)
				: sum(f->data + 14 + 12, 8, (uint32_t)size + protocol);
}

static uint32_t tcp_error(const struct frame *f, bool bundle, bool partial)
{
	size_t at = transport_at(f), size = claimed_size(f, bundle) + 14 - at;
	uint32_t pseudo = pseudo_sum(f, size, 6);

	if (partial)
		return residue(residue(pseudo) + 0xffff - residue(sum(f->data + at + 16, 2, 0)));
	return residue(sum(f->data + at, size, pseudo));
}

static uint32_t icmp_error(const struct frame *f)
{
	size_t at = transport_at(f), size = claimed_size(f, false) + 14 - at;
	uint32_t pseudo = frame_is_ipv6(f) ? pseudo_sum(f, size, 58) : 0;

	return residue(sum(f->data + at, size, pseudo));
}

static uint32_t quoted_error(const struct frame *f)
{
	return frame_is_ipv6(f) ? 0 : residue(sum(f->data + transport_at(f) + 8, 20, 0));
}

/* The same version, type and length, and one hop less. */
static void check_header(const struct frame *before, const struct frame *after)
{
	size_t hops = frame_is_ipv6(before) ? 14 + 7 : 14 + 8;
	size_t checksum = 14 + 10, source = frame_is_ipv6(before) ? 14 + 8 : 14 + 12;

	assert(is_ipv4(before) || is_ipv6(before));
	assert(before->data[hops] > 1 && after->data[hops] == before->data[hops] - 1);
	for (size_t i = 12; i < source; i++)
		assert(before->data[i] == after->data[i] || i == hops ||
		       (is_ipv4(before) && (i == checksum || i == checksum + 1)));
	assert(header_error(before) == header_error(after));
}

static bool is_at(const struct frame *f, size_t ip_at, size_t port_at, const uint8_t ip[16],
		  uint16_t port)
{
	bool ipv6 = frame_is_ipv6(f);

	return !memcmp(f->data + ip_at, ip + (ipv6 ? 0 : 12), ipv6 ? 16 : 4) &&
	       !memcmp(f->data + port_at, &port, 2);
}

/* From us to a backend, or from the VIP to a client. */
static void check_ends(const struct frame *f, uint32_t out)
{
	size_t source = frame_is_ipv6(f) ? 14 + 8 : 14 + 12, at = transport_at(f);
	size_t destination = frame_is_ipv6(f) ? 14 + 24 : 14 + 16;
	bool ipv6 = frame_is_ipv6(f), to_backend = false;
	uint16_t port;

	if (is_at(f, source, at, host_maps.vips[ipv6].address, host_maps.vips[ipv6].port)) {
		assert(out == INTERFACE);
		return;
	}
	assert(out == WAY_OUT);
	for (unsigned i = 0; i < N_BACKENDS; i++)
		to_backend |= is_at(f, destination, at + 2,
				    host_maps.backends[i + N_BACKENDS * ipv6].address,
				    htons(BACKEND_PORT));
	assert(to_backend);
	memcpy(&port, f->data + at, 2);
	assert(ntohs(port) >= PORT_LOW && ntohs(port) < PORT_LOW + PORT_COUNT);
}

static void check_forwarded(const struct frame *before, const struct frame *after,
			    const struct host_packet *p, uint32_t out)
{
	size_t at = transport_at(before), end = at + 4u * (before->data[at + 12] >> 4);
	bool partial = p->checksum_state == HOST_CHECKSUM_PARTIAL;
	bool bundle = p->segment > 0;

	check_header(before, after);
	check_ends(after, out);
	assert(end >= at + 20 && end <= 14 + claimed_size(before, bundle));
	assert(14 + claimed_size(before, bundle) <= before->size);
	for (size_t i = at + 4; i < at + 20; i++)
		assert(before->data[i] == after->data[i] || i == at + 16 || i == at + 17);
	if (!(before->data[at + 13] & SYN))
		assert(!memcmp(before->data + at + 20, after->data + at + 20, end - at - 20));
	assert(!memcmp(before->data + end, after->data + end, before->size - end));
	assert(tcp_error(before, bundle, partial) == tcp_error(after, bundle, partial));
}

static void check_error_passed_on(const struct frame *before, const struct frame *after)
{
	size_t quoted = transport_at(before) + 8, ports = quoted + (is_ipv6(before) ? 40 : 20);

	check_header(before, after);
	assert(ports + 8 <= 14 + claimed_size(before, false));
	assert(14 + claimed_size(before, false) <= before->size);
	assert(!memcmp(before->data + ports + 4, after->data + ports + 4,
		       before->size - ports - 4));
	assert(quoted_error(before) == quoted_error(after));
	assert(icmp_error(before) == icmp_error(after));
}

/* Neither to a VIP nor to us. */
static bool is_nobodys(const struct frame *f)
{
	uint8_t ip[16];

	if (!is_ipv4(f) && !is_ipv6(f))
		return true;
	set_ip(ip, "0.0.0.0");
	if (is_ipv6(f))
		memcpy(ip, f->data + 14 + 24, 16);
	else
		memcpy(ip + 12, f->data + 14 + 16, 4);
	for (unsigned i = 0; i < 2; i++)
		if (!memcmp(ip, host_maps.vips[i].address, 16) ||
		    !memcmp(ip, host_maps.backends[N_BACKENDS * i].source, 16))
			return false;
	return true;
}

/* The one verdict that was counted since, and not more than that. */
static unsigned take_verdict(void)
{
	unsigned found = LB4_VERDICT_NOT_OURS;

	for (unsigned cpu = 0; cpu < HOST_CPUS; cpu++)
		for (unsigned i = 0; i < LB4_VERDICT_COUNT; i++) {
			__u64 *n = &host_maps.verdict_counters[cpu].n[i];

			assert(*n <= 1 && (*n == 0 || found == LB4_VERDICT_NOT_OURS));
			if (*n)
				found = i;
			*n = 0;
		}
	return found;
}

static void check(const struct frame *before, const struct frame *after,
		  const struct host_packet *p, enum host_action action, uint32_t out)
{
	unsigned verdict = take_verdict();

	assert(after->size == before->size);
	assert(action == HOST_PASSED || !is_nobodys(before));
	switch (action) {
	case HOST_PASSED:
		assert(verdict == LB4_VERDICT_NOT_OURS ||
		       (verdict >= LB4_VERDICT_PASS_ODD && verdict < LB4_VERDICT_DROP_TWIN));
		assert(verdict == LB4_VERDICT_NOT_OURS || !is_nobodys(before));
		assert(!memcmp(before->data, after->data, before->size));
		break;
	case HOST_DROPPED:
		assert(verdict >= LB4_VERDICT_DROP_TWIN && verdict < LB4_VERDICT_COUNT);
		break;
	case HOST_REDIRECTED:
		assert(!p->has_vlan_tag);
		if (verdict == LB4_VERDICT_ICMP) {
			check_error_passed_on(before, after);
		} else {
			assert(verdict == LB4_VERDICT_FORWARDED);
			check_forwarded(before, after, p, out);
		}
		break;
	}
}

/* Nothing is held, and what was begun is whole. */
static void check_world(void)
{
	assert(host_kernel.n_sockets_held == 0);
	for (size_t i = 0; i < HOST_FLOWS; i++) {
		const struct lb4_flow *f = &host_maps.flows[i];

		assert(f->tag != LB4_TAG_BUSY);
		if (f->tag != LB4_TAG_FREE)
			assert(f->backend < 2 * N_BACKENDS && f->vip < 2);
	}
	for (size_t i = 0; i < HOST_LINES * LB4_WAYS; i++) {
		const struct lb4_way *w = &host_maps.lines[i / LB4_WAYS].way[i % LB4_WAYS];

		assert(w->tag != LB4_TAG_BUSY);
		if (w->tag != LB4_TAG_FREE)
			assert(w->backend < 2 * N_BACKENDS && !(w->state & LB4_WAY_PENDING));
	}
}

/* --- Steps --- */

static void set_kernel(uint8_t how)
{
	host_kernel.socket_state = how & KERNEL_SOCKET;
	host_kernel.fails = how & KERNEL_FAILS;
	host_kernel.sees_checksum_state = !(how & KERNEL_NO_STATE);
	host_kernel.cpu = how & KERNEL_CPU ? 1 : 0;
	if (how & KERNEL_TAKES_NONE)
		host_maps.control.accepts ^= 1;
}

static bool is_tcp(const struct frame *f)
{
	return (is_ipv4(f) && f->data[14 + 9] == 6) || (is_ipv6(f) && f->data[14 + 6] == 6);
}

static void bend(struct frame *f, uint8_t how, struct fuzz_input *in)
{
	unsigned cut;

	for (unsigned n = fuzz_take_byte(in) & 7; n > 0; n--) {
		uint8_t place = fuzz_take_byte(in), value = fuzz_take_byte(in);

		if (place < f->size)
			f->data[place] = value;
	}
	if ((how & HOW_FINISH) && is_tcp(f) && f->size >= transport_at(f) + 20)
		frame_finish(f);
	cut = fuzz_take_byte(in);
	if (cut + 14 <= f->size)
		f->size -= cut;
}

/* As the sender's own stack hands it over: the rest of the sum is the NIC's work. */
static void make_partial(struct frame *f, bool bundle)
{
	size_t at = transport_at(f);
	uint32_t pseudo;

	if (f->size < at + 20)
		return;
	pseudo = pseudo_sum(f, claimed_size(f, bundle) + 14 - at, 6);
	pseudo = (pseudo & 0xffff) + (pseudo >> 16);
	pseudo = (pseudo & 0xffff) + (pseudo >> 16);
	f->data[at + 16] = (uint8_t)(pseudo >> 8);
	f->data[at + 17] = (uint8_t)pseudo;
}

static void step(struct fuzz_input *in)
{
	uint8_t what = fuzz_take_byte(in), how = fuzz_take_byte(in);
	struct host_packet p = {.checksum_state = how >> 1 & 3, .has_vlan_tag = what & 0x80};
	struct frame before, after;
	enum host_action action;
	uint32_t out;

	make_packet(&before, what, in);
	bend(&before, how, in);
	p.segment = how & HOW_BUNDLE ? 8u * fuzz_take_byte(in) : 0;
	p.readable = how & HOW_UNREAD ? fuzz_take_byte(in) : before.size;
	if (p.readable > before.size)
		p.readable = before.size;
	if (how & HOW_TIME)
		host_kernel.nanoseconds += (uint64_t)fuzz_take_byte(in) << LB4_TICK_SHIFT;
	set_kernel(how & HOW_KERNEL ? fuzz_take_byte(in) : 0);
	if (!is_tcp(&before) && p.checksum_state == HOST_CHECKSUM_PARTIAL)
		p.checksum_state = HOST_CHECKSUM_NONE; /* no stack leaves ICMP's to a NIC */
	if ((how & HOW_FINISH) && p.checksum_state == HOST_CHECKSUM_PARTIAL)
		make_partial(&before, p.segment > 0);
	p.interface = how & HOW_ELSEWHERE ? INTERFACE + 10 : INTERFACE;
	after = before;
	p.data = after.data;
	p.size = after.size;
	action = host_program_run(&p, &out);
	check(&before, &after, &p, action, out);
	check_world();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};

	reset_world();
	for (unsigned i = 0; i < STEPS_MAX && in.size > 0; i++)
		step(&in);
	return 0;
}
