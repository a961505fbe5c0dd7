; Frames with landing pads, as the compiler makes them: an unwind runs each pad, which notes that it ran and goes on. The
; entry's pad ends the unwind.

declare i32 @__gcc_personality_v0(...)

; Calls itself `depth` times, then `stop(context)`. Each pad calls `pad(context, depth)`.
define hidden void @recurse(i32 %depth, ptr %stop, ptr %pad, ptr %context) personality ptr @__gcc_personality_v0 {
  %last = icmp eq i32 %depth, 0
  br i1 %last, label %bottom, label %deeper

bottom:
  invoke void %stop(ptr %context) to label %done unwind label %cleanup

deeper:
  %less = sub i32 %depth, 1
  invoke void @recurse(i32 %less, ptr %stop, ptr %pad, ptr %context) to label %done unwind label %cleanup

done:
  ret void

cleanup:
  %exception = landingpad { ptr, i32 } cleanup
  call void %pad(ptr %context, i32 %depth)
  resume { ptr, i32 } %exception
}

; 0 if `recurse` returned, 1 if it was unwound.
define hidden i32 @enter(i32 %depth, ptr %stop, ptr %pad, ptr %context) personality ptr @__gcc_personality_v0 {
  invoke void @recurse(i32 %depth, ptr %stop, ptr %pad, ptr %context) to label %returned unwind label %caught

returned:
  ret i32 0

caught:
  %exception = landingpad { ptr, i32 } cleanup
  ret i32 1
}
