// NaNs keep the bits that WebAssembly gives them, and what sees to that costs little. For LLVM, all NaNs are alike.

#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/Module.h>
#include <llvm/IR/PatternMatch.h>
#include <llvm/Transforms/Utils/Local.h>

using namespace llvm;
using namespace llvm::PatternMatch;

namespace {

bool
is_square_root(Value *value)
{
    auto *call = dyn_cast<IntrinsicInst>(value);
    return call && call->getIntrinsicID() == Intrinsic::sqrt;
}

// `x < 0 ? NaN : sqrt(x)` becomes `sqrt(x)` when instructions are chosen, whatever NaN it is: unless the root is hidden.
void
hide_square_roots(Function &function)
{
    for (auto &instruction : instructions(function)) {
        auto *select = dyn_cast<SelectInst>(&instruction);
        if (!select)
            continue;
        for (unsigned arm : {1, 2}) {
            if (!isa<Constant>(select->getOperand(3 - arm)) || !is_square_root(select->getOperand(arm)))
                continue;
            IRBuilder<> builder(select);
            auto *type = select->getType();
            auto *fence = Intrinsic::getDeclaration(function.getParent(), Intrinsic::arithmetic_fence, {type});
            select->setOperand(arm, builder.CreateCall(fence, {select->getOperand(arm)}));
        }
    }
}

// What a value was before a NaN in it became the canonical one; none if that is not what the value is.
Value *
before_canonical(Value *value)
{
    FCmpInst::Predicate predicate;
    Value *compared, *with, *then, *otherwise;
    if (!match(value, m_Select(m_FCmp(predicate, m_Value(compared), m_Value(with)), m_Value(then), m_Value(otherwise))))
        return nullptr;
    if (predicate == FCmpInst::FCMP_ORD)
        std::swap(then, otherwise);
    else if (predicate != FCmpInst::FCMP_UNO)
        return nullptr;
    if (otherwise != compared || (with != compared && !match(with, m_NonNaN())) || !match(then, m_NaN()))
        return nullptr;
    return otherwise;
}

// Whether it only matters if an operand is a NaN, not which: its own result is made canonical, or is no float.
bool
takes_any_nan(Instruction &instruction)
{
    switch (instruction.getOpcode()) {
    case Instruction::FAdd:
    case Instruction::FSub:
    case Instruction::FMul:
    case Instruction::FDiv:
    case Instruction::FCmp:
    case Instruction::FPExt:
    case Instruction::FPTrunc:
        return true;
    case Instruction::Call:
        break;
    default:
        return false;
    }
    auto *call = dyn_cast<IntrinsicInst>(&instruction);
    switch (call ? call->getIntrinsicID() : Intrinsic::not_intrinsic) {
    case Intrinsic::sqrt:
    case Intrinsic::ceil:
    case Intrinsic::floor:
    case Intrinsic::trunc:
    case Intrinsic::roundeven:
    case Intrinsic::nearbyint:
    case Intrinsic::minimum:
    case Intrinsic::maximum:
        return true;
    default:
        return false;
    }
}

// In deterministic mode: from one instruction to the next a NaN can stay as it is.
void
canonical_at_last(Function &function)
{
    SmallVector<WeakTrackingVH, 16> unused;
    for (auto &instruction : instructions(function)) {
        if (!takes_any_nan(instruction))
            continue;
        for (auto &operand : instruction.operands()) {
            if (auto *before = before_canonical(operand)) {
                unused.push_back(operand.get());
                operand.set(before);
            }
        }
    }
    RecursivelyDeleteTriviallyDeadInstructionsPermissive(unused);
}

} // namespace

extern "C" void
wayfarer_nans(void *module, bool deterministic)
{
    for (auto &function : *unwrap(static_cast<LLVMModuleRef>(module))) {
        if (deterministic)
            canonical_at_last(function);
        hide_square_roots(function);
    }
}
