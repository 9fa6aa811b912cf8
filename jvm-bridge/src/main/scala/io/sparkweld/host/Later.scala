package io.sparkweld
package host

import java.util.concurrent.{Executor, ScheduledThreadPoolExecutor, TimeUnit}

/** Starts tasks after a delay. Java has this from version 9 on. */
object Later {
  private lazy val clock = {
    val made = new ScheduledThreadPoolExecutor(1, task => {
      val thread = new Thread(task, "sparkweld-later")
      thread.setDaemon(true)
      thread
    })
    made.setRemoveOnCancelPolicy(true)
    made
  }

  /** Runs tasks in the thread that waits, which they must not block. */
  val Here: Executor = task => task.run()

  /** Runs a task in `executor`, after `delay`. */
  def run(delay: Long, unit: TimeUnit, executor: Executor)(task: Runnable): Unit =
    clock.schedule((() => executor.execute(task)): Runnable, delay, unit)
}
