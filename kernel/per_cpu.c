/*
 * per_cpu: this CPU's block. With a second CPU there would be an array, and
 * per_cpu_data_ptr() would read the block's own address through GS.
 */
#include "per_cpu.h"

static struct per_cpu_data per_cpu;

struct per_cpu_data *per_cpu_data_ptr(void)
{
	return &per_cpu;
}

void set_kernel_stack(uint64_t top)
{
	per_cpu.kernel_rsp = top;
	per_cpu.segments.tss.rsp0 = top;
}
